#pragma once
#include <protozero/pbf_writer.hpp>
#include <string>

#include "tally/engine/tensor.h"

namespace tally::onnx {

/// Writes the fields of a TensorProto. Throws Error(model) naming the tensor where it has no data.
void encode_tensor(protozero::pbf_writer out, const std::string& name, const Tensor& tensor);

}  // namespace tally::onnx
