#include "tools/input/npy.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "tally/engine/error.h"
#include "tests/engine/temporary_folder.h"

using namespace tally;
using tally::test::TemporaryFolder;
using tally::tools::read_npy;
using tally::tools::write_npy;

namespace {

std::string bytes_of_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A file of format 1.0 with this header dictionary and these bytes after it.
std::string npy(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string header = dictionary;
  const size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string file = std::string("\x93NUMPY", 6) + static_cast<char>(version) + '\0';
  for (size_t i = 0; i < (version == 1 ? 2u : 4u); ++i) file += static_cast<char>(header.size() >> 8 * i & 0xff);
  return file + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

ErrorCode code_of(const std::filesystem::path& file, size_t max_bytes = 1 << 20) {
  try {
    read_npy(file, max_bytes);
  } catch (const Error& e) {
    CHECK(e.node.find(file.filename().string()) != std::string::npos);
    return e.code;
  }
  FAIL("read without an error");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("what is written is read back") {
  const TemporaryFolder folder;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::i8, DType::u8, DType::i16, DType::u16,
                            DType::i32, DType::u32, DType::i64, DType::u64, DType::boolean}) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{2, 1, 3, 1}, Shape{0, 4}}) {
      Tensor tensor(dtype, shape);
      auto* bytes = static_cast<unsigned char*>(tensor.mutable_data());
      for (size_t i = 0; i < tensor.bytes(); ++i)
        bytes[i] = dtype == DType::boolean ? i % 2 : static_cast<unsigned char>(37 * i + 1);
      const auto file = folder.path / "x.npy";
      write_npy(file, tensor);
      CHECK(std::filesystem::file_size(file) % 64 == tensor.bytes() % 64);  // the data are aligned
      const Tensor back = read_npy(file);
      CHECK(back.dtype() == dtype);
      CHECK(back.shape() == shape);
      CHECK((tensor.bytes() == 0 || std::memcmp(back.data(), tensor.data(), tensor.bytes()) == 0));
    }
  }
}

TEST_CASE("bfloat16 is written as float32") {
  const TemporaryFolder folder;
  Tensor tensor(DType::bf16, {2});
  tensor.mutable_values<BFloat16>()[0] = to_bfloat16(1.5f);
  tensor.mutable_values<BFloat16>()[1] = to_bfloat16(-3.0f);
  write_npy(folder.path / "b.npy", tensor);
  const Tensor back = read_npy(folder.path / "b.npy");
  CHECK(back.dtype() == DType::f32);
  CHECK(back.values<float>()[0] == 1.5f);
  CHECK(back.values<float>()[1] == -3.0f);
}

TEST_CASE("types without a NumPy name are refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(write_npy(folder.path / "x.npy", Tensor(DType::f8e5m2, {2})), Error);
  CHECK_THROWS_AS(write_npy(folder.path / "no" / "such" / "x.npy", Tensor(DType::f32, {2})), Error);
}

TEST_CASE("column-major files and formats 2 and 3 are read") {
  const TemporaryFolder folder;
  const std::string data("\1\2\3\4\5\6", 6);  // columns of a 2 × 3 matrix
  for (const int version : {1, 2, 3}) {
    const Tensor t = read_npy(folder.write("f.npy", npy(dictionary("|u1", "(2, 3)", "True"), data, version)));
    CHECK(t.to_int64() == std::vector<int64_t>{1, 3, 5, 2, 4, 6});
  }
  const Tensor cube = read_npy(folder.write("c.npy", npy(dictionary("|u1", "(1, 2, 3)", "True"), data)));
  CHECK(cube.to_int64() == std::vector<int64_t>{1, 3, 5, 2, 4, 6});
}

TEST_CASE("every cut of a file is refused") {
  const TemporaryFolder folder;
  write_npy(folder.path / "whole.npy", Tensor(DType::f32, {4, 5}));
  const std::string whole = bytes_of_file(folder.path / "whole.npy");
  for (size_t length = 0; length < whole.size(); ++length) {
    const ErrorCode code = code_of(folder.write("cut.npy", whole.substr(0, length)));
    CHECK(code == ErrorCode::model);
  }
}

TEST_CASE("hostile files") {
  const TemporaryFolder folder;
  const std::string four(16, '\0');
  const auto refused = [&](const std::string& bytes) { return code_of(folder.write("bad.npy", bytes)); };
  CHECK(refused("") == ErrorCode::model);
  CHECK(refused("PK\3\4 not an array") == ErrorCode::model);
  CHECK(refused(npy(dictionary("<f4", "(4"), four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary("<f4", "4"), four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary("<f4", "(-4,)"), four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary("<f4", "(99999999999999999999,)"), four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary(">f4", "(4,)"), four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary("|O", "(4,)"), four)) == ErrorCode::model);
  CHECK(refused(npy("{'descr': '<f4'}", four)) == ErrorCode::model);
  CHECK(refused(npy("no dictionary", four)) == ErrorCode::model);
  CHECK(refused(npy(dictionary("<f4", "(4294967296, 4294967296)"), four)) == ErrorCode::limit);
  CHECK(refused(npy(dictionary("<f4", "(1000000,)"), four)) == ErrorCode::limit);
  std::string huge_header = npy(dictionary("<f4", "(4,)"), four, 2);
  huge_header.replace(8, 4, "\xff\xff\xff\x7f");
  CHECK(refused(huge_header) == ErrorCode::model);
  CHECK(code_of(folder.path) == ErrorCode::model);
  CHECK(code_of(folder.path / "missing.npy") == ErrorCode::model);
}

TEST_CASE("random damage never does worse than an error") {
  const TemporaryFolder folder;
  write_npy(folder.path / "whole.npy", Tensor(DType::i16, {3, 7}));
  const std::string whole = bytes_of_file(folder.path / "whole.npy");
  uint64_t state = 1;
  const auto next = [&] {
    return state = state * 6364136223846793005u + 1442695040888963407u, static_cast<size_t>(state >> 33);
  };
  for (int round = 0; round < 500; ++round) {
    std::string damaged = whole;
    for (size_t i = 0; i < 1 + next() % 4; ++i) damaged[next() % damaged.size()] = static_cast<char>(next());
    try {
      read_npy(folder.write("damaged.npy", damaged), 1 << 20);
    } catch (const Error&) {}
  }
}
