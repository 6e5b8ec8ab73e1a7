#include <cstring>

#include "tally/engine/onnx/decode_tensor.h"
#include "tally/engine/onnx/format.h"

namespace tally::onnx {
namespace {

/// Row-major position of entry `i` of a sparse tensor.
int64_t sparse_position(const std::vector<int64_t>& indices, size_t i, bool linear, const Shape& dims,
                        int64_t elements) {
  int64_t position = 0;
  if (linear) {
    position = indices[i];
    if (position < 0 || position >= elements)
      fail("", text("sparse index ", position), text("must be in [0, ", elements, ")"));
    return position;
  }
  for (size_t d = 0; d < dims.size(); ++d) {
    const int64_t index = indices[i * dims.size() + d];
    if (index < 0 || index >= dims[d]) fail("", text("sparse index ", index), text("must be in [0, ", dims[d], ")"));
    position = position * dims[d] + index;
  }
  return position;
}

Tensor densify(const Tensor& values, const Tensor& indices, const Shape& dims, Reading& reading) {
  if (dims.size() > kMaxRank) fail("", text("rank ", dims.size()), text("must be at most ", kMaxRank));
  const Tensor described = Tensor::without_data(values.dtype(), dims);
  const int64_t elements = described.elements();
  const int64_t entries = values.elements();
  const auto rank = static_cast<int64_t>(dims.size());
  const bool linear = indices.shape() == Shape{entries};
  if (values.shape() != Shape{entries})
    fail("", "sparse values of shape " + to_string(values.shape()), "must have rank 1");
  if (indices.dtype() != DType::i64 || (!linear && indices.shape() != Shape{entries, rank}))
    fail("", text("sparse indices ", name_of(indices.dtype()), " ", to_string(indices.shape())),
         text("must be int64 ", entries, " or ", entries, "x", rank));
  const int bits = bits_of(values.dtype());
  if (bits < 8) fail("", text("sparse values of type ", name_of(values.dtype())), "must have elements of whole bytes");
  if (!reading.options.weights && elements > ReadOptions::kSmallTensor) return described;
  if (!values.has_data() || !indices.has_data()) fail("", "sparse entries without values", "must be in the model file");
  const size_t element_bytes = static_cast<size_t>(bits) / 8;
  reading.budget.charge(described.bytes());
  Tensor dense(values.dtype(), dims);
  const std::vector<int64_t> where = indices.to_int64();
  const auto* from = static_cast<const std::byte*>(values.data());
  auto* to = static_cast<std::byte*>(dense.mutable_data());
  for (size_t i = 0; i < static_cast<size_t>(entries); ++i) {
    const auto position = static_cast<size_t>(sparse_position(where, i, linear, dims, elements));
    std::memcpy(to + position * element_bytes, from + i * element_bytes, element_bytes);
  }
  return dense;
}

}  // namespace

NamedTensor decode_sparse_tensor(data_view message, Reading& reading) {
  NamedTensor values, indices;
  Shape dims;
  FieldReader m(message);
  const auto who = [&] {
    return values.name.empty() ? std::string("sparse tensor") : "sparse tensor '" + values.name + "'";
  };
  return at(who, [&] {
    while (m.next()) switch (m.tag_and_type()) {
        case bytes(sparse_tensor_field::values):
          values = decode_tensor(m.get_view(), reading);
          break;
        case bytes(sparse_tensor_field::indices):
          indices = decode_tensor(m.get_view(), reading);
          break;
        case varint(sparse_tensor_field::dims):
          dims.push_back(m.get_int64());
          break;
        case bytes(sparse_tensor_field::dims):
          for (int64_t extent : m.get_packed_int64()) dims.push_back(extent);
          break;
        default:
          skip_unknown(m, known({sparse_tensor_field::values, sparse_tensor_field::indices, sparse_tensor_field::dims}),
                       "SparseTensorProto");
      }
    return NamedTensor{values.name, densify(values.tensor, indices.tensor, dims, reading)};
  });
}

}  // namespace tally::onnx
