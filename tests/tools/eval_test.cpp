// eval: idx files into models of several input shapes.
#include <doctest/doctest.h>

#include "tests/tools/program.h"
#include "tools/input/image_feed.h"

using namespace tally;
using namespace tally::test;
using nlohmann::json;
using tools::IdxImages;
using tools::ImageFeed;

namespace {

/// A model that hands its input on.
Model identity(const Shape& shape, DType dtype = DType::f32) {
  Builder b;
  b.output(b.identity(b.named(b.input(shape, dtype), "x")));
  return b.build();
}

IdxImages counting_images(int64_t count, int64_t rows, int64_t columns) {
  IdxImages images{count, rows, columns, {}};
  for (int64_t i = 0; i < count * rows * columns; ++i) images.pixels.push_back(static_cast<uint8_t>(i + 1));
  return images;
}

std::vector<double> fed(const Shape& shape, const IdxImages& images, int64_t first = 0) {
  const Model model = identity(shape);
  const ImageFeed feed(model, images, 1);
  Context context(model);
  feed.write(context, first);
  context.run();
  return context.output_tensor(0).to_double();
}

std::string word(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

}  // namespace

TEST_CASE("images are padded evenly, the odd row and column after") {
  const IdxImages images = counting_images(2, 2, 2);
  CHECK(fed({1, 1, 2, 2}, images) == std::vector<double>{1, 2, 3, 4});
  CHECK(fed({1, 1, 2, 2}, images, 1) == std::vector<double>{5, 6, 7, 8});
  CHECK(fed({1, 1, 4, 5}, images) == std::vector<double>{0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0});
  CHECK(fed({1, 2, 2}, images) == std::vector<double>{1, 2, 3, 4});  // rows as time steps, batch first
  CHECK(fed({2, 1, 2}, images) == std::vector<double>{1, 2, 3, 4});  // … or in the middle
  CHECK(fed({1, 4}, images) == std::vector<double>{1, 2, 3, 4});     // flat
  CHECK(fed({4}, images) == std::vector<double>{1, 2, 3, 4});
  CHECK(fed({1, 2, 2, 1}, images) == std::vector<double>{1, 2, 3, 4});  // channels last
}

TEST_CASE("batches are filled, zeros after the last image") {
  const IdxImages images = counting_images(3, 1, 2);
  CHECK(fed({2, 1, 1, 2}, images, 2) == std::vector<double>{5, 6, 0, 0});
  CHECK(fed({3, 2}, images) == std::vector<double>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("models that take no such image are refused") {
  const IdxImages images = counting_images(1, 4, 4);
  CHECK_THROWS_AS(ImageFeed(identity({1, 1, 3, 4}), images, 1), Error);
  CHECK_THROWS_AS(ImageFeed(identity({1, 3, 4, 4}), images, 1), Error);
  CHECK_THROWS_AS(ImageFeed(identity({1, 15}), images, 1), Error);
  CHECK_THROWS_AS(ImageFeed(identity({1, 1, 4, 4}, DType::i64), images, 1), Error);
}

TEST_CASE("accuracy, predictions and a symbolic batch") {
  const SmallModel small;  // y = relu([x0 + x3, x1 + x3, x2 + x3 − 10])
  small.folder.write("t10k-images-idx3-ubyte", word(0x803) + word(3) + word(2) + word(2) +
                                                   std::string("\x01\x02\x03\x04"
                                                               "\x09\x02\x03\x04"
                                                               "\x01\x02\x63\x04"));
  small.folder.write("t10k-labels-idx1-ubyte", word(0x801) + word(3) + std::string("\x01\x00\x01", 3));
  const std::string data = " --data " + small.folder.path.string() + " --scale 1",
                    classes = (small.folder.path / "classes").string();
  for (const char* batch : {"", " --dim N=2", " --dim N=3", " --threads 2"}) {
    const json document = document_of("eval " + small.file + data + batch + " --predictions " + classes);
    CHECK(document["schema"] == "tally.eval/1");
    CHECK(document["correct"] == 2);
    CHECK(document["samples"] == 3);
    CHECK(document["accuracy"].get<double>() == doctest::Approx(2.0 / 3));
    CHECK(document["throughput_per_s"].get<double>() > 0);
    CHECK(contents(classes) == "1\n0\n2\n");
  }
  CHECK(document_of("eval " + small.file + data + " --limit 2")["samples"] == 2);
  CHECK(run_tally("eval " + small.file + data + " --split train").code == 3);
  CHECK(run_tally("eval " + small.file + data + " --limit 0").code == 2);
  CHECK(run_tally("eval " + small.file + " --scale 0 --data x").code == 2);
  small.folder.write("t10k-labels-idx1-ubyte", word(0x801) + word(2) + std::string("\x01\x00", 2));
  CHECK(run_tally("eval " + small.file + data).code == 3);  // three images, two labels
}
