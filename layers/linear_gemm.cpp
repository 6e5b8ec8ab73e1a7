// Gemm and MatMul on the matrix kernel: rows of A are the rows of one region.
#include <limits>

#include "tally/layers/linear_methods.h"
#include "tally/platforms/cost_model.h"

namespace tally {

namespace {

constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxDepth = int64_t{1} << 25;

/// Depth rows in the order in which A lies, and their segments. `pixel_stride`: channels a pixel of A holds in
/// channels_last.
void set_depth(const LinearShape& s, Layout layout, int64_t pixel_stride, GemmProblem& problem,
               std::vector<Segment>& segments) {
  const auto K = static_cast<int32_t>(s.K);
  problem.order.resize(static_cast<size_t>(s.K));
  if (layout == Layout::channels_last) {
    for (int64_t p = 0, row = 0; p < s.pixels; ++p)
      for (int64_t c = 0; c < s.channels; ++c, ++row)
        problem.order[static_cast<size_t>(row)] = static_cast<int32_t>(c * s.pixels + p);
    if (pixel_stride == s.channels) {
      segments.push_back({0, 0, K});
      return;
    }
    for (int64_t p = 0; p < s.pixels; ++p)
      segments.push_back({static_cast<int32_t>(p * pixel_stride), static_cast<int32_t>(p * s.channels),
                          static_cast<int32_t>(s.channels)});
    return;
  }
  for (int32_t k = 0; k < K; ++k) problem.order[static_cast<size_t>(k)] = k;
  if (s.a_k == 1)
    segments.push_back({0, 0, K});
  else
    for (int64_t k = 0; k < s.K; ++k) segments.push_back({static_cast<int32_t>(k * s.a_k), static_cast<int32_t>(k), 1});
}

/// Tables of one matrix of the batch; null where they would be too large.
std::shared_ptr<GemmTables> linear_tables(const LinearTask& task, Layout layout, int64_t pixel_stride,
                                          const Geometry& geometry) {
  const LinearShape& s = task.shape;
  if (s.M > kMaxExtent || s.N > kMaxExtent || s.K > kMaxDepth || s.K * s.a_k > kMaxExtent) return nullptr;
  GemmProblem problem;
  GemmProblem::Part part;
  part.region = {0, 0, 1, static_cast<int32_t>(s.M)};
  set_depth(s, layout, pixel_stride, problem, part.segments);
  problem.parts.push_back(std::move(part));
  problem.group_columns = s.N;
  problem.row_bytes = 4 * s.K;
  problem.n_stride = s.b_n;
  problem.k_stride = s.b_k;
  problem.scale = s.alpha;
  std::shared_ptr<GemmTables> tables = make_gemm_tables(problem, geometry);
  if (!tables) return nullptr;
  GemmArgs& args = tables->args;
  args.a_x = layout == Layout::plain ? s.a_m : s.pixels * pixel_stride;
  args.c_x = s.N;
  args.a_y = s.M * args.a_x;
  args.c_y = s.M * args.c_x;
  args.epilogue = task.tail.epilogue;
  return tables;
}

}  // namespace

int64_t batch_offset(const Shape& extents, const Shape& strides, int64_t b) {
  int64_t offset = 0;
  for (size_t d = extents.size(); d-- > 0;) {
    offset += b % extents[d] * strides[d];
    b /= extents[d];
  }
  return offset;
}

void list_linear_gemm(const LinearTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  const Geometry& g = context.kernels->geometry;
  if (task.in[Linear::kA].dtype != DType::f32 || !context.kernels->gemm[static_cast<int>(Num::f32)]) return;
  for (const Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !task.shape.from_view) continue;
    const auto tables = linear_tables(task, layout, padded_channels(task.shape.channels, g.channel_pad), g);
    if (!tables) continue;
    Candidate c;
    c.kernel = task.shape.M == 1 ? "gemv" : "gemm";
    c.inputs.assign(task.in.size(), Layout::plain);
    c.inputs[Linear::kA] = layout;
    c.outputs = {Layout::plain};
    c.cycles = tables->cycles(g, task.has(Linear::kC) && task.c_is_bias(), task.residual()) *
               static_cast<double>(task.shape.batches());
    list.push_back(std::move(c));
  }
}

void prepare_linear_gemm(const LinearTask& task, const Candidate& candidate, Preparation& preparation) {
  const Placement a = preparation.input(Linear::kA);
  const auto tables = linear_tables(task, a.layout, a.channel_stride, preparation.geometry());
  if (!task.shape.batch.empty()) return add_batched_steps(task, tables, candidate.cycles, preparation);
  const bool bias = task.c_is_bias() && task.shape.beta != 0;
  const PackedOperands packed = pack_operands(preparation, tables, Linear::kB, bias ? Linear::kC : -1, task.shape.beta);
  BufferId residual = -1;
  if (task.tail.residual)
    residual = preparation.input(Linear::kResidual).buffer;
  else if (task.c_is_matrix())
    residual = expand_c(task, preparation);
  add_gemm_step(preparation, tables, a.buffer, preparation.output(0).buffer, packed, residual, candidate.cycles);
}

}  // namespace tally
