#pragma once
// 4-bit integers, packed two a byte: the first of a pair lies in the lower half.
#include <cstddef>
#include <cstdint>

namespace tally {

inline int nibble_at(const uint8_t* packed, size_t i, bool is_signed) {
  const int value = packed[i / 2] >> (i % 2 * 4) & 0xf;
  return is_signed && value >= 8 ? value - 16 : value;
}

/// Keeps the low four bits of `value`. Elements are set in order: one in a lower half clears the one after it, so that
/// no bits are left from before. Not for two threads on one byte.
inline void set_nibble(uint8_t* packed, size_t i, int value) {
  const int low = i % 2 == 0 ? 0 : packed[i / 2] & 0xf;
  packed[i / 2] = static_cast<uint8_t>(low | (value & 0xf) << (i % 2 * 4));
}

}  // namespace tally
