// Products of an Einsum on the matrix kernel.
#include <algorithm>

#include "tally/layers/copy_steps.h"
#include "tally/layers/einsum_methods.h"
#include "tally/layers/linear_methods.h"
#include "tally/layers/part_preparation.h"

namespace tally {

namespace {

/// A stage as a batch of matrix products.
struct MatrixProduct {
  bool swapped = false;  ///< the rows are those of b
  std::vector<int> batch, rows, columns, depth;
  LabelledAxes left, right, y;  ///< as the kernel takes and gives them
  bool copy_left = false, copy_right = false, copy_y = false;
  LinearShape shape;
};

std::vector<int> joined(std::vector<int> first, const std::vector<int>& second, const std::vector<int>& third) {
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), third.begin(), third.end());
  return first;
}

/// The one stride of labels that lie as if they were one axis, or nothing.
std::optional<int64_t> common_stride(const EinsumShape& shape, const LabelledAxes& axes,
                                     const std::vector<int>& labels) {
  for (size_t i = 0; i + 1 < labels.size(); ++i)
    if (axes.stride(labels[i]) != axes.stride(labels[i + 1]) * shape.extents[static_cast<size_t>(labels[i + 1])])
      return {};
  return labels.empty() ? 1 : axes.stride(labels.back());
}

int64_t extent_of(const EinsumShape& shape, const std::vector<int>& labels) {
  int64_t extent = 1;
  for (int label : labels) extent *= shape.extents[static_cast<size_t>(label)];
  return extent;
}

/// Which labels are batches, rows, columns and depth, in the order of y; depth as it lies in the left factor.
void sort_labels(const EinsumStage& stage, MatrixProduct& m) {
  const LabelledAxes &left = m.swapped ? stage.b_axes : stage.a_axes, &right = m.swapped ? stage.a_axes : stage.b_axes;
  const LabelSet l = left.set(), r = right.set(), y = stage.y_axes.set();
  m.batch = chosen(stage.y_axes.labels, l & r);
  m.rows = chosen(stage.y_axes.labels, l & ~r);
  m.columns = chosen(stage.y_axes.labels, r & ~l);
  m.depth = chosen(left.labels, l & r & ~y);
  std::stable_sort(m.depth.begin(), m.depth.end(), [&](int p, int q) { return left.stride(p) > left.stride(q); });
  m.left = left;
  m.right = right;
}

std::vector<int> natural_order(const MatrixProduct& m) { return joined(m.batch, m.rows, m.columns); }

void set_strides(const EinsumShape& shape, MatrixProduct& m) {
  LinearShape& s = m.shape;
  s.M = extent_of(shape, m.rows);
  s.N = extent_of(shape, m.columns);
  s.K = s.channels = extent_of(shape, m.depth);
  s.a_m = *common_stride(shape, m.left, m.rows);
  s.a_k = *common_stride(shape, m.left, m.depth);
  s.b_k = *common_stride(shape, m.right, m.depth);
  s.b_n = *common_stride(shape, m.right, m.columns);
  for (int label : m.batch) {
    s.batch.push_back(shape.extents[static_cast<size_t>(label)]);
    s.a_batch.push_back(m.left.stride(label));
    s.b_batch.push_back(m.right.stride(label));
  }
}

/// Nothing where there is nothing to multiply.
std::optional<MatrixProduct> matrix_product(const EinsumTask& task, const EinsumStage& stage) {
  if (!stage.product() || task.in[0].dtype != DType::f32) return {};
  if (einsum_work(task.shape, stage, task.who) == 0) return {};
  MatrixProduct m;
  sort_labels(stage, m);
  // A single column would leave lanes empty, but a constant factor is packed once and for all.
  const bool vector = m.columns.empty() && !m.rows.empty() && task.is_operand(stage.a) &&
                      task.in[static_cast<size_t>(stage.a)].constant != nullptr;
  if (vector || natural_order(m) != stage.y_axes.labels) {
    MatrixProduct other;
    other.swapped = true;
    sort_labels(stage, other);
    if (natural_order(other) == stage.y_axes.labels) m = std::move(other);
  }
  m.y = task.shape.dense(natural_order(m));
  m.copy_y = m.y.labels != stage.y_axes.labels;
  const auto k = common_stride(task.shape, m.left, m.depth);
  m.copy_left = !k || (*k != 1 && !m.depth.empty()) || !common_stride(task.shape, m.left, m.rows);
  m.copy_right = !common_stride(task.shape, m.right, m.depth) || !common_stride(task.shape, m.right, m.columns);
  if (m.copy_left) m.left = task.shape.dense(joined(m.batch, m.rows, m.depth));
  if (m.copy_right) m.right = task.shape.dense(joined(m.batch, m.depth, m.columns));
  set_strides(task.shape, m);
  return m;
}

/// Loops that bring elements from the order of one tensor to that of another.
std::vector<CopyPart> reordering(const EinsumTask& task, const LabelledAxes& from, const LabelledAxes& to,
                                 int64_t element_bytes) {
  std::vector<CopyLoop> loops;
  for (int label : to.labels)
    loops.push_back({task.shape.extents[static_cast<size_t>(label)], from.stride(label), to.stride(label)});
  return copy_parts(std::move(loops), element_bytes, task.who);
}

double reordering_cycles(const std::vector<CopyPart>& parts, const Geometry& geometry) {
  double cycles = 0;
  for (const CopyPart& part : parts) cycles += copy_cycles(part.args, geometry);
  return cycles;
}

void add_reordering(Preparation& preparation, const std::vector<CopyPart>& parts, CopyEnd from, CopyEnd to) {
  const CopyEnd x = from, y = to;
  for (const CopyPart& part : parts) {
    from.offset = x.offset + part.x_offset;
    to.offset = y.offset + part.y_offset;
    add_copy_step(preparation, part.args, from, to);
  }
}

bool is_constant(const EinsumTask& task, int value) {
  return task.is_operand(value) && task.in[static_cast<size_t>(value)].constant != nullptr;
}

int left_value(const EinsumStage& stage, const MatrixProduct& m) { return m.swapped ? stage.b : stage.a; }
int right_value(const EinsumStage& stage, const MatrixProduct& m) { return m.swapped ? stage.a : stage.b; }
const LabelledAxes& left_axes(const EinsumStage& s, const MatrixProduct& m) { return m.swapped ? s.b_axes : s.a_axes; }
const LabelledAxes& right_axes(const EinsumStage& s, const MatrixProduct& m) { return m.swapped ? s.a_axes : s.b_axes; }

/// A factor as an operand of the product; where it must lie otherwise, with a step that brings it there.
PartOperand factor(const EinsumTask& task, int value, const LabelledAxes& from, const LabelledAxes& to, bool copied,
                   const EinsumBuffers& buffers, Preparation& preparation) {
  PartOperand part;
  part.operand.dtype = DType::f32;
  part.operand.shape = {task.elements(to)};
  part.operand.name = task.is_operand(value) ? task.in[static_cast<size_t>(value)].name : task.who;
  if (!copied && task.is_operand(value)) {
    part.operand.constant = task.in[static_cast<size_t>(value)].constant;
    part.input = value;
    return part;
  }
  part.scratch = buffers.of(value);
  if (!copied) return part;
  part.scratch = preparation.add_scratch(task.elements(to) * int64_t{sizeof(float)});
  PartOperand source = part;
  source.scratch = task.is_operand(value) ? -1 : buffers.of(value);
  PartPreparation copying(preparation, {source}, {DType::f32, part.operand.shape}, part.scratch);
  add_reordering(copying, reordering(task, from, to, sizeof(float)), {buffers.of(value), 0, is_constant(task, value)},
                 {part.scratch});
  return part;
}

LinearTask linear_task(const MatrixProduct& m, Operands operands) { return {m.shape, {}, operands}; }

}  // namespace

std::optional<double> gemm_stage_cycles(const EinsumTask& task, const EinsumStage& stage, const PlanContext& context) {
  const std::optional<MatrixProduct> m = matrix_product(task, stage);
  if (!m) return {};
  Operand operands[2];
  operands[0].dtype = operands[1].dtype = DType::f32;
  std::vector<Candidate> list;
  list_linear_gemm(linear_task(*m, operands), context, list);
  if (list.empty()) return {};
  const Geometry& g = context.kernels->geometry;
  double cycles = list[0].cycles;
  if (m->copy_left) cycles += reordering_cycles(reordering(task, left_axes(stage, *m), m->left, sizeof(float)), g);
  if (m->copy_right) cycles += reordering_cycles(reordering(task, right_axes(stage, *m), m->right, sizeof(float)), g);
  if (m->copy_y) cycles += reordering_cycles(reordering(task, m->y, stage.y_axes, sizeof(float)), g);
  // Packing of a factor that is no constant.
  if (!is_constant(task, right_value(stage, *m)) || m->copy_right)
    cycles += static_cast<double>(task.elements(m->right));
  return cycles;
}

void add_gemm_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation) {
  const MatrixProduct m = *matrix_product(task, stage);
  PartOperand left = factor(task, left_value(stage, m), left_axes(stage, m), m.left, m.copy_left, buffers, preparation);
  PartOperand right =
      factor(task, right_value(stage, m), right_axes(stage, m), m.right, m.copy_right, buffers, preparation);
  const TensorType y{DType::f32, {task.elements(m.y)}};
  const BufferId target = buffers.of(stage.y);
  const BufferId product = m.copy_y ? preparation.add_scratch(task.elements(m.y) * int64_t{sizeof(float)}) : target;
  const bool to_scratch = m.copy_y || !task.is_result(stage.y);
  PartPreparation part(preparation, {std::move(left), std::move(right)}, y, to_scratch ? product : -1);
  const LinearTask linear = linear_task(m, part.inputs());
  std::vector<Candidate> list;
  list_linear_gemm(linear, {&preparation.kernels()}, list);
  prepare_linear_gemm(linear, list[0], part);
  if (!m.copy_y) return;
  PartOperand made;
  made.operand.dtype = DType::f32;
  made.scratch = product;
  PartPreparation copying(preparation, {made}, y, task.is_result(stage.y) ? -1 : target);
  add_reordering(copying, reordering(task, m.y, stage.y_axes, sizeof(float)), {product}, {target});
}

double copy_stage_cycles(const EinsumTask& task, const EinsumStage& stage, const Geometry& geometry) {
  return reordering_cycles(
      reordering(task, stage.a_axes, stage.y_axes, whole_element_bytes(task.in[0].dtype, task.who)), geometry);
}

void add_copy_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation) {
  add_reordering(preparation,
                 reordering(task, stage.a_axes, stage.y_axes, whole_element_bytes(task.in[0].dtype, task.who)),
                 {buffers.of(stage.a), 0, is_constant(task, stage.a)}, {buffers.of(stage.y)});
}

}  // namespace tally
