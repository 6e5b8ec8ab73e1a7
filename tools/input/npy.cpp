#include "tools/input/npy.h"

#include <charconv>
#include <cstring>
#include <fstream>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

struct Name {
  const char* text;
  DType dtype;
};
constexpr Name kNames[] = {{"|b1", DType::boolean}, {"|i1", DType::i8},  {"|u1", DType::u8},  {"<i2", DType::i16},
                           {"<u2", DType::u16},     {"<i4", DType::i32}, {"<u4", DType::u32}, {"<i8", DType::i64},
                           {"<u8", DType::u64},     {"<f2", DType::f16}, {"<f4", DType::f32}, {"<f8", DType::f64}};

/// The text after `'key':` in the header's dictionary, without leading blanks.
std::string_view entry(std::string_view header, std::string_view key, const std::string& who) {
  const std::string quoted = "'" + std::string(key) + "'";
  size_t at = header.find(quoted);
  if (at != std::string_view::npos) at = header.find(':', at + quoted.size());
  if (at == std::string_view::npos) fail(who, "header without " + quoted, "must be a NumPy header");
  std::string_view rest = header.substr(at + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest;
}

Shape parse_shape(std::string_view text, const std::string& who) {
  if (text.empty() || text.front() != '(') fail(who, "shape", "must be a tuple");
  text.remove_prefix(1);
  Shape shape;
  while (true) {
    while (!text.empty() && (text.front() == ' ' || text.front() == ',')) text.remove_prefix(1);
    if (text.empty()) fail(who, "shape", "must end with ')'");
    if (text.front() == ')') return shape;
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0 || shape.size() >= 64) fail(who, "shape", "must hold extents >= 0");
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    shape.push_back(extent);
  }
}

/// Column-major elements brought to row-major order.
Tensor transposed_storage(const Tensor& stored, const Shape& shape) {
  Tensor result(stored.dtype(), shape);
  const auto size = static_cast<size_t>(bytes_of(stored.dtype(), 1));
  const auto* from = static_cast<const char*>(stored.data());
  auto* to = static_cast<char*>(result.mutable_data());
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < result.elements(); ++i) {
    int64_t at = 0;
    for (size_t d = shape.size(); d-- > 0;) at = at * shape[d] + index[d];
    std::memcpy(to + static_cast<size_t>(i) * size, from + static_cast<size_t>(at) * size, size);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return result;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& file, size_t max_bytes) {
  const std::string who = "file '" + file.string() + "'";
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(who, "cannot be opened", "must be a readable .npy file");
  char magic[8] = {};
  in.read(magic, 8);
  if (in.gcount() != 8 || std::memcmp(magic, "\x93NUMPY", 6) != 0) fail(who, "no NumPy magic", "must be a .npy file");
  unsigned char length[4] = {};
  const int length_bytes = magic[6] == 1 ? 2 : 4;
  in.read(reinterpret_cast<char*>(length), length_bytes);
  const size_t header_bytes = length[0] | length[1] << 8 | length[2] << 16 | static_cast<size_t>(length[3]) << 24;
  if (!in || header_bytes > 65536) fail(who, text("header of ", header_bytes, " bytes"), "must be at most 65536");
  std::string header(header_bytes, '\0');
  in.read(header.data(), static_cast<std::streamsize>(header_bytes));
  if (static_cast<size_t>(in.gcount()) != header_bytes) fail(who, "truncated header", "must be complete");

  const std::string_view descr = entry(header, "descr", who);
  DType dtype = DType::undefined;
  for (const Name& name : kNames)
    if (descr.size() >= 5 && descr.substr(1, 3) == name.text) dtype = name.dtype;
  if (dtype == DType::undefined)
    fail(who, "element type " + std::string(descr.substr(0, descr.find(','))),
         "must be a little-endian bool, int, uint or float");
  const Shape shape = parse_shape(entry(header, "shape", who), who);
  const bool fortran = entry(header, "fortran_order", who).starts_with("True");

  // Elements first: on a 32-bit machine their bytes may not fit size_t.
  const auto elements = static_cast<uint64_t>(element_count(shape, who));
  if (elements > max_bytes || elements * static_cast<uint64_t>(bits_of(dtype) / 8) > max_bytes)
    fail(who, text("shape ", to_string(shape), " of ", name_of(dtype)), text("must be at most ", max_bytes, " bytes"),
         ErrorCode::limit);
  const auto bytes = static_cast<size_t>(bytes_of(dtype, static_cast<int64_t>(elements)));
  const auto begin = in.tellg();
  in.seekg(0, std::ios::end);
  if (static_cast<size_t>(in.tellg() - begin) < bytes)
    fail(who, text(in.tellg() - begin, " bytes of data"), text("must be ", bytes, " for shape ", to_string(shape)));
  in.seekg(begin);
  Tensor tensor(dtype, shape);
  in.read(static_cast<char*>(tensor.mutable_data()), static_cast<std::streamsize>(bytes));
  return fortran && shape.size() > 1 ? transposed_storage(tensor, shape) : tensor;
}

void write_npy(const std::filesystem::path& file, const Tensor& tensor) {
  const std::string who = "file '" + file.string() + "'";
  const DType stored = tensor.dtype() == DType::bf16 ? DType::f32 : tensor.dtype();
  const char* descr = nullptr;
  for (const Name& name : kNames)
    if (name.dtype == stored) descr = name.text;
  if (descr == nullptr) fail(who, text("dtype ", name_of(tensor.dtype())), "must have a NumPy name", ErrorCode::usage);
  std::string header = text("{'descr': '", descr, "', 'fortran_order': False, 'shape': (");
  for (size_t d = 0; d < tensor.shape().size(); ++d)
    header += text(tensor.shape()[d], tensor.shape().size() == 1 || d + 1 < tensor.shape().size() ? "," : "");
  header += "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::ofstream out(file, std::ios::binary);
  const char prefix[10] = {'\x93',
                           'N',
                           'U',
                           'M',
                           'P',
                           'Y',
                           1,
                           0,
                           static_cast<char>(header.size() & 255),
                           static_cast<char>(header.size() >> 8)};
  out.write(prefix, 10);
  out << header;
  if (tensor.dtype() == DType::bf16) {
    for (const BFloat16 value : tensor.values<BFloat16>()) {
      const float wide = to_float(value);
      out.write(reinterpret_cast<const char*>(&wide), sizeof wide);
    }
  } else {
    out.write(static_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.bytes()));
  }
  if (!out.flush()) fail(who, "cannot be written", "must be writable", ErrorCode::usage);
}

}  // namespace tally::tools
