#pragma once
// Single tensors in ONNX's TensorProto form, as the files of test data hold them (`input_0.pb`).
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "tally/engine/tensor.h"

namespace tally {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// The tensor of a TensorProto, data included. Throws Error(model) naming the file or the tensor where the bytes are no
/// TensorProto or contradict themselves, Error(limit) above `max_bytes`. External data is refused.
NamedTensor read_tensor_proto(const std::filesystem::path& file, size_t max_bytes = size_t{2} << 30);
NamedTensor read_tensor_proto(std::span<const std::byte> bytes, size_t max_bytes = size_t{2} << 30);

/// Writes a TensorProto with raw_data. Throws Error(model) where the tensor has no data or the file cannot be written.
void write_tensor_proto(const std::filesystem::path& file, const std::string& name, const Tensor& tensor);

}  // namespace tally
