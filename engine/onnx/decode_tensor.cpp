#include "tally/engine/onnx/decode_tensor.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/format.h"

namespace tally::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian and copied as it is");

/// A TensorProto but for its elements, which stay in the message until it is known how many there must be.
struct Header {
  std::string name;
  Shape shape;
  int64_t type = 0;
  std::optional<data_view> raw;
  size_t floats = 0, doubles = 0, int32s = 0, int64s = 0, uint64s = 0, strings = 0;
  bool external = false;
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t parse_size(const std::string& key, const std::string& value) {
  uint64_t size = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, size);
  if (error != std::errc() || stop != end)
    fail("", "external data " + key + " '" + value + "'", "must be a number of bytes");
  return size;
}

void read_external_entry(FieldReader m, Header& header) {
  std::string key, value;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(entry_field::key):
        key = to_text(m.get_view());
        break;
      case bytes(entry_field::value):
        value = to_text(m.get_view());
        break;
      default:
        skip_unknown(m, known({entry_field::key, entry_field::value}), "StringStringEntryProto");
    }
  if (key == "location") header.location = value;
  if (key == "offset") header.offset = parse_size(key, value);
  if (key == "length") header.length = parse_size(key, value);
}

/// Every varint ends with the one byte of it whose top bit is clear.
size_t count_varints(data_view packed) {
  return static_cast<size_t>(
      std::count_if(packed.data(), packed.data() + packed.size(), [](char c) { return (c & 0x80) == 0; }));
}

size_t count_fixed(data_view packed, size_t element_bytes) {
  if (packed.size() % element_bytes != 0)
    fail("", text("packed data of ", packed.size(), " bytes"), text("must be a multiple of ", element_bytes));
  return packed.size() / element_bytes;
}

Header read_header(data_view message) {
  constexpr uint64_t kKnown =
      known({tensor_field::dims, tensor_field::data_type, tensor_field::segment, tensor_field::float_data,
             tensor_field::int32_data, tensor_field::string_data, tensor_field::int64_data, tensor_field::name,
             tensor_field::raw_data, tensor_field::double_data, tensor_field::uint64_data, tensor_field::external_data,
             tensor_field::data_location});
  Header h;
  FieldReader m(message);
  const auto who = [&] { return h.name.empty() ? std::string("tensor") : "tensor '" + h.name + "'"; };
  return at(who, [&] {
    while (m.next()) switch (m.tag_and_type()) {
        case varint(tensor_field::dims):
          h.shape.push_back(m.get_int64());
          break;
        case bytes(tensor_field::dims):
          for (int64_t extent : m.get_packed_int64()) h.shape.push_back(extent);
          break;
        case varint(tensor_field::data_type):
          h.type = m.get_int64();
          break;
        case bytes(tensor_field::name):
          h.name = to_text(m.get_view());
          break;
        case bytes(tensor_field::raw_data):
          h.raw = m.get_view();
          break;
        case fixed32(tensor_field::float_data):
          m.skip(), ++h.floats;
          break;
        case bytes(tensor_field::float_data):
          h.floats += count_fixed(m.get_view(), sizeof(float));
          break;
        case fixed64(tensor_field::double_data):
          m.skip(), ++h.doubles;
          break;
        case bytes(tensor_field::double_data):
          h.doubles += count_fixed(m.get_view(), sizeof(double));
          break;
        case varint(tensor_field::int32_data):
          m.skip(), ++h.int32s;
          break;
        case bytes(tensor_field::int32_data):
          h.int32s += count_varints(m.get_view());
          break;
        case varint(tensor_field::int64_data):
          m.skip(), ++h.int64s;
          break;
        case bytes(tensor_field::int64_data):
          h.int64s += count_varints(m.get_view());
          break;
        case varint(tensor_field::uint64_data):
          m.skip(), ++h.uint64s;
          break;
        case bytes(tensor_field::uint64_data):
          h.uint64s += count_varints(m.get_view());
          break;
        case bytes(tensor_field::string_data):
          m.skip(), ++h.strings;
          break;
        case bytes(tensor_field::segment):
          fail("", "a segment of a tensor", "must be whole");
        case bytes(tensor_field::external_data):
          read_external_entry(m.get_message(), h);
          break;
        case varint(tensor_field::data_location):
          h.external = m.get_int64() == 1;
          break;
        default:
          skip_unknown(m, kKnown, "TensorProto");
      }
    if (h.shape.size() > kMaxRank) fail("", text("rank ", h.shape.size()), text("must be at most ", kMaxRank));
    return std::move(h);
  });
}

/// Where the elements of a type lie when they are not raw, how many there are and how many there must be.
struct TypedField {
  Field field;
  const char* name;
  size_t found, required;
};

TypedField typed_field(DType dtype, size_t elements, const Header& h) {
  switch (dtype) {
    case DType::f32:
      return {tensor_field::float_data, "float_data", h.floats, elements};
    case DType::complex64:
      return {tensor_field::float_data, "float_data", h.floats, 2 * elements};
    case DType::f64:
      return {tensor_field::double_data, "double_data", h.doubles, elements};
    case DType::complex128:
      return {tensor_field::double_data, "double_data", h.doubles, 2 * elements};
    case DType::i64:
      return {tensor_field::int64_data, "int64_data", h.int64s, elements};
    case DType::u32:
    case DType::u64:
      return {tensor_field::uint64_data, "uint64_data", h.uint64s, elements};
    case DType::string:
      return {tensor_field::string_data, "string_data", h.strings, elements};
    case DType::i4:
    case DType::u4:
      return {tensor_field::int32_data, "int32_data", h.int32s, elements / 2 + elements % 2};
    default:
      return {tensor_field::int32_data, "int32_data", h.int32s, elements};
  }
}

/// Values that an entry of int32_data or uint64_data may have. Bit patterns (of small floats and 4-bit pairs) may come
/// sign-extended or not.
struct Range {
  int64_t lo, hi;
};
Range range_of(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return {0, 1};
    case DType::i8:
      return {INT8_MIN, INT8_MAX};
    case DType::u8:
      return {0, UINT8_MAX};
    case DType::i16:
      return {INT16_MIN, INT16_MAX};
    case DType::u16:
      return {0, UINT16_MAX};
    case DType::i32:
      return {INT32_MIN, INT32_MAX};
    case DType::u32:
      return {0, UINT32_MAX};
    case DType::f16:
    case DType::bf16:
      return {INT16_MIN, UINT16_MAX};
    case DType::i64:
    case DType::u64:
      return {INT64_MIN, INT64_MAX};
    default:
      return {INT8_MIN, UINT8_MAX};
  }
}

/// Copies the varints of one field into little-endian elements of `element_bytes`.
class VarintCopier {
 public:
  VarintCopier(DType dtype, Tensor& tensor)
      : range_(range_of(dtype)),
        element_bytes_(static_cast<size_t>(std::max(bits_of(dtype), 8)) / 8),
        next_(static_cast<std::byte*>(tensor.mutable_data())),
        end_(next_ + tensor.bytes()) {}

  void put(int64_t value) {
    if (value < range_.lo || value > range_.hi)
      fail("", text("element ", value), text("must be in [", range_.lo, ", ", range_.hi, "]"));
    if (static_cast<size_t>(end_ - next_) < element_bytes_) fail("", "data longer than its shape", "must match it");
    std::memcpy(next_, &value, element_bytes_);
    next_ += element_bytes_;
  }

 private:
  Range range_;
  size_t element_bytes_;
  std::byte *next_, *end_;
};

/// Copies the elements of `field`, whose number has been checked.
void copy_typed(data_view message, Field field, Tensor& tensor) {
  VarintCopier varints(tensor.dtype(), tensor);
  auto* next = static_cast<std::byte*>(tensor.mutable_data());
  FieldReader m(message);
  while (m.next()) {
    if (m.tag() != field) {
      m.skip();
      continue;
    }
    const bool fixed = field == tensor_field::float_data || field == tensor_field::double_data;
    const uint32_t tag = m.tag_and_type();
    if (tag == varint(field)) {
      varints.put(m.get_int64());
    } else if (tag == fixed32(field)) {
      const float value = m.get_float();
      std::memcpy(next, &value, sizeof value);
      next += sizeof value;
    } else if (tag == fixed64(field)) {
      const double value = m.get_double();
      std::memcpy(next, &value, sizeof value);
      next += sizeof value;
    } else if (fixed) {
      const data_view packed = m.get_view();
      if (packed.size() != 0) std::memcpy(next, packed.data(), packed.size());
      next += packed.size();
    } else {
      for (int64_t value : m.get_packed_int64()) varints.put(value);
    }
  }
}

/// True where the file holds no values at all: a weight of an architecture without its training.
bool left_out(const Header& h) {
  return (!h.raw || h.raw->size() == 0) && h.floats + h.doubles + h.int32s + h.int64s + h.uint64s + h.strings == 0;
}

void check_data(const Header& h, DType dtype, size_t elements) {
  const size_t typed_total = h.floats + h.doubles + h.int32s + h.int64s + h.uint64s + h.strings;
  if (h.raw && h.raw->size() != 0 && typed_total != 0) fail("", "raw_data and typed data", "must not both be there");
  const auto required_bytes = static_cast<size_t>(bytes_of(dtype, static_cast<int64_t>(elements)));
  if (h.raw && typed_total == 0 && dtype != DType::string) {
    if (h.raw->size() != required_bytes)
      fail("", text("raw_data of ", h.raw->size(), " bytes"),
           text("must have ", required_bytes, " for ", name_of(dtype), " ", to_string(h.shape)));
    return;
  }
  const TypedField typed = typed_field(dtype, elements, h);
  if (typed.found != typed.required || typed_total != typed.found)
    fail("",
         text(typed.name, " of ", typed.found, " elements",
              typed_total != typed.found ? text(" and ", typed_total - typed.found, " elsewhere") : std::string()),
         text("must have ", typed.required, " for ", name_of(dtype), " ", to_string(h.shape)));
}

/// What the model file itself says of external data.
void check_external(const Header& h, const Tensor& described) {
  if (described.dtype() == DType::string) fail("", "external strings", "must be in the model file");
  check_location(h.location);
  if (h.length && *h.length != described.bytes())
    fail("", text("external data of ", *h.length, " bytes"),
         text("must have ", described.bytes(), " for shape ", to_string(h.shape)));
}

Tensor read_external(const Header& h, const Tensor& described, Reading& reading) {
  const std::filesystem::path file = external_file(reading.folder, h.location);
  check_range(file, h.offset, described.bytes());
  reading.budget.charge(described.bytes());
  Tensor tensor(described.dtype(), described.shape());
  if (tensor.bytes() != 0) read_range(file, h.offset, tensor.bytes(), tensor.mutable_data());
  return tensor;
}

Tensor decode_elements(data_view message, const Header& h, Reading& reading) {
  const auto dtype = dtype_from_onnx(h.type);
  if (!dtype) fail("", text("data_type ", h.type), "must be an element type of ONNX that Tally knows");
  const Tensor described = Tensor::without_data(*dtype, h.shape);  // checks that the shape fits the address space
  const auto elements = static_cast<size_t>(described.elements());
  reading.budget.charge(sizeof(Tensor) + h.shape.size() * sizeof(int64_t));
  const size_t bytes = described.bytes();

  if (h.external) {
    check_external(h, described);
    if (reading.options.external_files != nullptr) reading.options.external_files->insert(h.location);
    return reading.options.weights ? read_external(h, described, reading) : described;
  }
  if (!reading.options.weights && elements != 0 && left_out(h)) return described;
  check_data(h, *dtype, elements);
  const bool small = elements <= static_cast<size_t>(ReadOptions::kSmallTensor);
  if (*dtype == DType::string || (!reading.options.weights && !small)) return described;
  reading.budget.charge(bytes);
  Tensor tensor(*dtype, h.shape);
  if (bytes == 0) return tensor;
  if (h.raw && h.raw->size() != 0) {
    std::memcpy(tensor.mutable_data(), h.raw->data(), bytes);
  } else {
    copy_typed(message, typed_field(*dtype, elements, h).field, tensor);
  }
  return tensor;
}

/// A boolean read as `bool` must be 0 or 1, whatever byte the file holds.
void normalize_booleans(Tensor& tensor) {
  if (tensor.dtype() != DType::boolean || !tensor.has_data()) return;
  for (uint8_t& value : tensor.mutable_values<uint8_t>()) value = value != 0;
}

}  // namespace

NamedTensor decode_tensor(data_view message, Reading& reading) {
  const Header header = read_header(message);
  const auto who = [&] { return header.name.empty() ? std::string("tensor") : "tensor '" + header.name + "'"; };
  return at(who, [&] {
    Tensor tensor = decode_elements(message, header, reading);
    normalize_booleans(tensor);
    return NamedTensor{header.name, std::move(tensor)};
  });
}

}  // namespace tally::onnx
