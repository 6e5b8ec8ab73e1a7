#pragma once
#include <filesystem>

#include "tally/engine/tensor.h"

namespace tally::tools {

/// Reads a NumPy .npy file (format 1 to 3, little-endian, C or Fortran order) of bool, int, uint or float elements.
/// Throws Error(model) naming the file where it is no such file, is truncated, or has more than `max_bytes` of data.
Tensor read_npy(const std::filesystem::path& file, size_t max_bytes = size_t{2} << 30);

/// Writes a tensor in format 1.0; bfloat16 as float32. Throws Error(usage) where the file cannot be written or the
/// element type has no NumPy name.
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace tally::tools
