#include "tally/layers/stored_element.h"

#include <algorithm>

#include "tally/platforms/float8.h"
#include "tally/platforms/nibble.h"

namespace tally {

namespace {

template <DType type>
double read_float8(const std::byte* values, int64_t i) {
  return from_float8(type, static_cast<uint8_t>(values[i]));
}

template <DType type, bool saturate>
void write_float8(std::byte* values, int64_t i, double value) {
  values[i] = static_cast<std::byte>(to_float8(type, value, saturate));
}

template <bool is_signed>
double read_nibble(const std::byte* values, int64_t i) {
  return nibble_at(reinterpret_cast<const uint8_t*>(values), static_cast<size_t>(i), is_signed);
}

template <bool is_signed>
void write_nibble(std::byte* values, int64_t i, double value) {
  const int64_t rounded = std::clamp<int64_t>(from_real<int64_t>(value), is_signed ? -8 : 0, is_signed ? 7 : 15);
  set_nibble(reinterpret_cast<uint8_t*>(values), static_cast<size_t>(i), static_cast<int>(rounded));
}

template <DType type>
ElementWriter float8_writer(bool saturate) {
  return saturate ? write_float8<type, true> : write_float8<type, false>;
}

}  // namespace

ElementReader element_reader(DType type) {
  switch (type) {
    case DType::i4:
      return read_nibble<true>;
    case DType::u4:
      return read_nibble<false>;
    case DType::f8e4m3fn:
      return read_float8<DType::f8e4m3fn>;
    case DType::f8e4m3fnuz:
      return read_float8<DType::f8e4m3fnuz>;
    case DType::f8e5m2:
      return read_float8<DType::f8e5m2>;
    case DType::f8e5m2fnuz:
      return read_float8<DType::f8e5m2fnuz>;
    default:
      return real_reader(type);
  }
}

ElementWriter element_writer(DType type, bool saturate) {
  switch (type) {
    case DType::i4:
      return write_nibble<true>;
    case DType::u4:
      return write_nibble<false>;
    case DType::f8e4m3fn:
      return float8_writer<DType::f8e4m3fn>(saturate);
    case DType::f8e4m3fnuz:
      return float8_writer<DType::f8e4m3fnuz>(saturate);
    case DType::f8e5m2:
      return float8_writer<DType::f8e5m2>(saturate);
    case DType::f8e5m2fnuz:
      return float8_writer<DType::f8e5m2fnuz>(saturate);
    default:
      break;
  }
  ElementWriter write = nullptr;
  with_number_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    write = [](std::byte* values, int64_t i, double value) { reinterpret_cast<T*>(values)[i] = from_real<T>(value); };
  });
  return write;
}

}  // namespace tally
