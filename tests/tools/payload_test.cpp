// What goes to a device with a model.
#include "tools/device/payload.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"
#include "tests/engine/onnx_message.h"
#include "tests/engine/temporary_folder.h"

using namespace tally;
using namespace tally::tools;
using test::external_tensor, test::TemporaryFolder;

namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

std::string model_with(const test::Message& tensor) { return test::model(test::relu_graph().message(5, tensor)).bytes; }

}  // namespace

TEST_CASE("a model takes its external data along, at the same places below its folder") {
  const TemporaryFolder folder;
  folder.write("my net/model.onnx", model_with(external_tensor("w", {1}, "data/w.bin")));
  folder.write("my net/data/w.bin", "1234");
  const auto models = models_to_copy({(folder.path / "my net").string()}, kMostBytes);
  REQUIRE(models.size() == 1);
  CHECK(models[0].name == "my net");
  CHECK(models[0].to == "models/0/my net/model.onnx");
  REQUIRE(models[0].files.size() == 2);
  CHECK(models[0].files[1].to == "models/0/my net/data/w.bin");
  CHECK(models[0].files[1].bytes == 4);
  CHECK(bytes_of(models[0].files) == models[0].files[0].bytes + 4);
}

TEST_CASE("nothing outside the model's folder is copied, and nothing that is not there") {
  const TemporaryFolder folder;
  folder.write("secret", "1234");
  std::filesystem::create_symlink("../secret",
                                  (std::filesystem::create_directory(folder.path / "m"), folder.path / "m/link"));
  for (const char* place : {"../secret", "/etc/passwd", "none.bin", "link", ""}) {
    CAPTURE(place);
    const auto file = folder.write("m/x.onnx", model_with(external_tensor("w", {1}, place)));
    CHECK_THROWS_AS(models_to_copy({file.string()}, kMostBytes), Error);
  }
  CHECK_THROWS_AS(models_to_copy({(folder.path / "none.onnx").string()}, kMostBytes), Error);
}

TEST_CASE("two models of one name do not meet") {
  const TemporaryFolder folder;
  const std::string bytes = test::model(test::relu_graph()).bytes;
  const auto a = folder.write("a/x.onnx", bytes), b = folder.write("b/x.onnx", bytes);
  const auto models = models_to_copy({a.string(), b.string()}, kMostBytes);
  CHECK(models[0].to == "models/0/a/x.onnx");
  CHECK(models[1].to == "models/1/b/x.onnx");
}

TEST_CASE("files for options go where the program runs") {
  const TemporaryFolder folder;
  const std::string a = folder.write("a/x y.npy", "1").string(), b = folder.write("b/x y.npy", "2").string();
  const auto files = files_to_copy({a});
  REQUIRE(files.size() == 1);
  CHECK(files[0].to == "work/x y.npy");
  CHECK_THROWS_AS(files_to_copy({a, b}), Error);
  CHECK_THROWS_AS(files_to_copy({folder.path.string()}), Error);
}
