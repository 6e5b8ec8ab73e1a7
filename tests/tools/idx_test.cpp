#include "tools/input/idx.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"
#include "tests/engine/temporary_folder.h"

#if defined(TALLY_HAS_ZLIB)
#include <zlib.h>
#endif

using namespace tally;
using namespace tally::tools;
using tally::test::TemporaryFolder;

namespace {

constexpr size_t kLimit = 1 << 20;

std::string word(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// Images whose pixels count up.
std::string images_file(uint32_t count, uint32_t rows, uint32_t columns) {
  std::string bytes = word(0x803) + word(count) + word(rows) + word(columns);
  for (uint32_t i = 0; i < count * rows * columns; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string labels_file(const std::string& labels) {
  return word(0x801) + word(static_cast<uint32_t>(labels.size())) + labels;
}

template <class F>
ErrorCode code_of(F read) {
  try {
    read();
  } catch (const Error& e) {
    return e.code;
  }
  FAIL("read without an error");
  return ErrorCode::internal;
}

ErrorCode images_code(const std::filesystem::path& file, size_t limit = kLimit) {
  return code_of([&] { read_idx_images(file, -1, limit); });
}

}  // namespace

TEST_CASE("images and labels are read, all or the first few") {
  const TemporaryFolder folder;
  const auto images = folder.write("i", images_file(5, 2, 3)),
             labels = folder.write("l", labels_file({"\7\1\2\3\4", 5}));
  const IdxImages all = read_idx_images(images, -1, kLimit);
  CHECK(all.count == 5);
  CHECK(all.rows == 2);
  CHECK(all.columns == 3);
  CHECK(all.pixels.size() == 30);
  CHECK(all.pixels[29] == 29);
  CHECK(read_idx_images(images, 2, kLimit).pixels.size() == 12);
  CHECK(read_idx_images(images, 99, kLimit).count == 5);
  CHECK(read_idx_labels(labels, -1, kLimit) == std::vector<uint8_t>{7, 1, 2, 3, 4});
  CHECK(read_idx_labels(labels, 1, kLimit) == std::vector<uint8_t>{7});
}

TEST_CASE("every cut of a file is refused") {
  const TemporaryFolder folder;
  const std::string images = images_file(2, 3, 3), labels = labels_file("\1\2\3");
  for (size_t length = 0; length < images.size(); ++length)
    CHECK(images_code(folder.write("cut", images.substr(0, length))) == ErrorCode::model);
  for (size_t length = 0; length < labels.size(); ++length) {
    const auto file = folder.write("cut", labels.substr(0, length));
    CHECK(code_of([&] { read_idx_labels(file, -1, kLimit); }) == ErrorCode::model);
  }
}

TEST_CASE("hostile headers") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& bytes) { return images_code(folder.write("bad", bytes)); };
  CHECK(refused(labels_file("\1\2\3")) == ErrorCode::model);                            // labels in the images' place
  CHECK(refused(images_file(2, 3, 3) + "x") == ErrorCode::model);                       // a byte too many
  CHECK(refused(word(0x803) + word(0) + word(28) + word(28)) == ErrorCode::model);      // no images
  CHECK(refused(word(0x803) + word(1) + word(0) + word(28)) == ErrorCode::model);       // no rows
  CHECK(refused(word(0x803) + word(~0u) + word(~0u) + word(~0u)) == ErrorCode::limit);  // 2^96 bytes
  CHECK(refused(word(0x803) + word(60000) + word(28) + word(28)) == ErrorCode::limit);  // above max_bytes, not there
  CHECK(refused(word(0xd03) + word(1) + word(1) + word(1) + "xxxx") == ErrorCode::model);  // floats
  CHECK(images_code(folder.path) == ErrorCode::model);
  CHECK(images_code(folder.path / "missing") == ErrorCode::model);
}

TEST_CASE("the pair of a split is found by name") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(find_idx_pair(folder.path, "test"), Error);
  folder.write("train-first1000-images-idx3-ubyte.gz", "");
  folder.write("train-first1000-labels-idx1-ubyte.gz", "");
  folder.write("t10k-images-idx3-ubyte", "");
  CHECK_THROWS_AS(find_idx_pair(folder.path, "test"), Error);  // no labels
  folder.write("t10k-labels-idx1-ubyte.gz", "");
  const IdxPair test = find_idx_pair(folder.path, "test"), train = find_idx_pair(folder.path, "train");
  CHECK(test.images.filename() == "t10k-images-idx3-ubyte");
  CHECK(test.labels.filename() == "t10k-labels-idx1-ubyte.gz");
  CHECK(train.images.filename() == "train-first1000-images-idx3-ubyte.gz");
  folder.write("train-images.idx3-ubyte", "");  // the shorter name, spelt with a dot
  folder.write("train-labels.idx1-ubyte", "");
  CHECK(find_idx_pair(folder.path, "train").labels.filename() == "train-labels.idx1-ubyte");
  CHECK_THROWS_AS(find_idx_pair(folder.path / "missing", "test"), Error);
}

#if defined(TALLY_HAS_ZLIB)
TEST_CASE("gzip files are unpacked, and broken ones refused") {
  const TemporaryFolder folder;
  const std::string plain = images_file(3, 4, 4);
  const auto packed = folder.path / "images.gz";
  const gzFile out = gzopen(packed.c_str(), "wb");
  REQUIRE(out != nullptr);
  CHECK(gzwrite(out, plain.data(), static_cast<unsigned>(plain.size())) == static_cast<int>(plain.size()));
  gzclose(out);
  CHECK(read_idx_images(packed, -1, kLimit).pixels == read_idx_images(folder.write("plain", plain), -1, kLimit).pixels);

  std::string bytes(std::filesystem::file_size(packed), '\0');
  std::ifstream(packed, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  for (size_t length = 0; length < bytes.size() - 8; ++length)
    CHECK(images_code(folder.write("cut.gz", bytes.substr(0, length))) == ErrorCode::model);
  std::string damaged = bytes;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] + 1);  // the checksum
  CHECK(images_code(folder.write("damaged.gz", damaged)) == ErrorCode::model);
}
#endif
