#pragma once
#include "tally/engine/onnx/budget.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tally/engine/onnx/wire.h"

namespace tally::onnx {

/// Of any tensor: far above any model's, and low enough that a shape can be printed.
inline constexpr size_t kMaxRank = 64;

/// What every part of reading shares.
struct Reading {
  ReadOptions options;
  std::filesystem::path folder;  ///< of external data; empty: none allowed
  Budget budget{options.max_bytes};
};

/// The tensor of a TensorProto. Its shape is compared with the data that is really there before anything is allocated.
NamedTensor decode_tensor(data_view message, Reading& reading);

/// The dense tensor of a SparseTensorProto, named like its values.
NamedTensor decode_sparse_tensor(data_view message, Reading& reading);

}  // namespace tally::onnx
