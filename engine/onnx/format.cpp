#include "tally/engine/onnx/format.h"

#include <iterator>

namespace tally::onnx {
namespace {

/// In ONNX's numbering, from 0 on.
constexpr DType kDTypes[] = {
    DType::undefined,  DType::f32,    DType::u8,         DType::i8,         DType::u16,  DType::i16,
    DType::i32,        DType::i64,    DType::string,     DType::boolean,    DType::f16,  DType::f64,
    DType::u32,        DType::u64,    DType::complex64,  DType::complex128, DType::bf16, DType::f8e4m3fn,
    DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::u4,         DType::i4,
};

}  // namespace

std::optional<DType> dtype_from_onnx(int64_t number) {
  if (number < 1 || number >= static_cast<int64_t>(std::size(kDTypes))) return std::nullopt;
  return kDTypes[number];
}

int32_t dtype_to_onnx(DType dtype) {
  for (size_t i = 0; i < std::size(kDTypes); ++i)
    if (kDTypes[i] == dtype) return static_cast<int32_t>(i);
  return 0;
}

}  // namespace tally::onnx
