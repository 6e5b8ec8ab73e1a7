#include "tally/layers/element_type.h"

#include <iterator>

namespace tally {

DType type_of_code(int64_t code) {
  constexpr DType kTypes[] = {DType::undefined,  DType::f32,  DType::u8,       DType::i8,         DType::u16,
                              DType::i16,        DType::i32,  DType::i64,      DType::string,     DType::boolean,
                              DType::f16,        DType::f64,  DType::u32,      DType::u64,        DType::complex64,
                              DType::complex128, DType::bf16, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2,
                              DType::f8e5m2fnuz, DType::u4,   DType::i4};
  return code > 0 && code < static_cast<int64_t>(std::size(kTypes)) ? kTypes[code] : DType::undefined;
}

}  // namespace tally
