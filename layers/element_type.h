#pragma once
#include "tally/platforms/dtype.h"

namespace tally {

/// ONNX's numbering of element types (TensorProto.DataType); undefined for others.
DType type_of_code(int64_t code);

}  // namespace tally
