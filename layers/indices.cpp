#include "tally/layers/indices.h"

namespace tally {

void check_indices(const std::string& who, const Operand& operand, int64_t n) {
  if (operand.dtype != DType::i64 && operand.dtype != DType::i32)
    fail(who, text("indices of type ", name_of(operand.dtype)), "must be int32 or int64");
  if (n == 0 && element_count(operand.shape, who) > 0)
    fail(who, text("indices of shape ", to_string(operand.shape), " into an empty axis"), "must be none");
  if (operand.constant == nullptr || !operand.constant->has_data()) return;
  for (int64_t index : operand.constant->to_int64())
    if (index < -n || index >= n) fail(who, text("index ", index), text("must be in [", -n, ", ", n, ")"));
}

ElementWalk element_walk(const std::string& who, const Shape& data, const Shape& indices, int64_t axis) {
  const auto rank = static_cast<int64_t>(data.size());
  if (indices.size() != data.size())
    fail(who, text("indices of rank ", indices.size()), text("must have rank ", rank, " like the data"));
  if (rank == 0) fail(who, "data of rank 0", "must have rank >= 1");
  const auto at = static_cast<size_t>(normalize_axis(axis, rank, who));
  for (size_t d = 0; d < data.size(); ++d)
    if (d != at && indices[d] > data[d])
      fail(who, text("indices of shape ", to_string(indices)),
           text("must be within ", to_string(data), " but for axis ", axis));
  Shape strides = row_major_strides(data);
  ElementWalk walk;
  walk.axis_extent = data[at];
  walk.axis_stride = strides[at];
  strides[at] = 0;
  walk.inner = indices.back();
  walk.inner_stride = strides.back();
  walk.sizes = Shape(indices.begin(), indices.end() - 1);
  walk.strides = Shape(strides.begin(), strides.end() - 1);
  walk.rows = walk.inner == 0 ? 0 : element_count(walk.sizes, who);
  return walk;
}

TupleWalk tuple_walk(const std::string& who, const Shape& data, const Operand& indices, int64_t batch_dims) {
  if (indices.dtype != DType::i64) fail(who, text("indices of type ", name_of(indices.dtype)), "must be int64");
  const Shape& shape = indices.shape;
  const auto rank = static_cast<int64_t>(data.size()), index_rank = static_cast<int64_t>(shape.size());
  if (rank == 0 || index_rank == 0)
    fail(who, text("data of rank ", rank, ", indices of rank ", index_rank), "must have rank >= 1");
  if (batch_dims < 0 || batch_dims >= std::min(rank, index_rank))
    fail(who, text("batch_dims=", batch_dims), text("must be in [0, ", std::min(rank, index_rank), ")"));
  const int64_t width = shape.back();
  if (width < 1 || width > rank - batch_dims)
    fail(who, text("indices of shape ", to_string(shape)), text("must end in 1 to ", rank - batch_dims));
  TupleWalk walk;
  for (int64_t d = 0; d < batch_dims; ++d) {
    const auto at = static_cast<size_t>(d);
    if (shape[at] != data[at])
      fail(who, text("indices of shape ", to_string(shape)), text("must have extent ", data[at], " in dimension ", d));
    walk.batches *= data[at];
  }
  walk.tuples = element_count(Shape(shape.begin() + batch_dims, shape.end() - 1), who);
  walk.batch_stride = element_count(Shape(data.begin() + batch_dims, data.end()), who);
  walk.row = element_count(Shape(data.begin() + batch_dims + width, data.end()), who);
  const Shape strides = row_major_strides(data);
  const bool known = indices.constant != nullptr && indices.constant->has_data();
  const std::vector<int64_t> values = known ? indices.constant->to_int64() : std::vector<int64_t>{};
  for (int64_t k = 0; k < width; ++k) {
    const int64_t n = data[static_cast<size_t>(batch_dims + k)];
    if (n == 0 && walk.batches * walk.tuples > 0)
      fail(who, text("indices of shape ", to_string(shape), " into an empty axis"), "must be none");
    for (size_t i = static_cast<size_t>(k); i < values.size(); i += static_cast<size_t>(width))
      if (values[i] < -n || values[i] >= n)
        fail(who, text("index ", values[i]), text("must be in [", -n, ", ", n, ")"));
    walk.extents.push_back(n);
    walk.strides.push_back(strides[static_cast<size_t>(batch_dims + k)]);
  }
  return walk;
}

std::optional<std::vector<IndexRun>> index_runs(const std::vector<int64_t>& indices, int64_t n, size_t most) {
  std::vector<IndexRun> runs;
  for (size_t i = 0; i < indices.size(); ++i) {
    const int64_t at = clamped_index(indices[i], n);
    if (!runs.empty()) {
      IndexRun& run = runs.back();
      const int64_t last = run.first + (run.count - 1) * run.step;
      if (run.count == 1) run.step = at - last;
      if (at - last == run.step) {
        ++run.count;
        continue;
      }
    }
    if (runs.size() == most) return std::nullopt;
    runs.push_back({static_cast<int64_t>(i), 1, at, 0});
  }
  return runs;
}

}  // namespace tally
