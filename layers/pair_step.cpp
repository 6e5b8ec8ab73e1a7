#include "tally/layers/pair_step.h"

#include <algorithm>

#include "tally/engine/reorder.h"
#include "tally/layers/host_activation.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

/// Extents of a constant packed beside a channels_last result.
Shape packed_shape(const Shape& aligned, const Placement& y) {
  Shape packed = aligned;
  if (packed[1] == y.type.shape[1]) packed[1] = y.channel_stride;
  return packed;
}

bool is_packed(const Operand& x, const Placement& y) {
  return x.constant != nullptr && y.layout == Layout::channels_last;
}

/// The elements of a plain constant in the order N, spatial…, C; padding channels are 1, so that nothing divides by
/// zero.
std::vector<float> pack_channels_last(const Tensor& constant, const Shape& aligned, const Shape& packed) {
  const Shape from = row_major_strides(aligned), to = placed_strides(packed, Layout::channels_last, packed[1]);
  std::vector<float> values(static_cast<size_t>(element_count(packed)), 1.0f);
  const std::span<const float> source = constant.values<float>();
  const int64_t n = element_count(aligned);
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < aligned.size(); ++d) at += i / from[d] % aligned[d] * to[d];
    values[static_cast<size_t>(at)] = source[static_cast<size_t>(i)];
  }
  return values;
}

template <class T>
T combine(BinaryOp op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    const auto u = static_cast<uint64_t>(a), v = static_cast<uint64_t>(b);
    switch (op) {
      case BinaryOp::add:
        return static_cast<T>(u + v);
      case BinaryOp::sub:
        return static_cast<T>(u - v);
      case BinaryOp::mul:
        return static_cast<T>(u * v);
      case BinaryOp::max:
        return a < b ? b : a;
      case BinaryOp::min:
        return b < a ? b : a;
      case BinaryOp::prelu:
        return a < T{0} ? static_cast<T>(u * v) : a;
      case BinaryOp::div:
        break;
    }
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return static_cast<T>(uint64_t{0} - u);  // the most negative number has no positive
    return static_cast<T>(a / b);
  } else {
    const double u = to_sum(a), v = to_sum(b);
    switch (op) {
      case BinaryOp::add:
        return from_sum<T>(u + v);
      case BinaryOp::sub:
        return from_sum<T>(u - v);
      case BinaryOp::mul:
        return from_sum<T>(u * v);
      case BinaryOp::div:
        return from_sum<T>(u / v);
      case BinaryOp::max:
        return u > v || u != u ? a : b;
      case BinaryOp::min:
        return u < v || u != u ? a : b;
      case BinaryOp::prelu:
        return u < 0 ? from_sum<T>(u * v) : a;
    }
    return a;
  }
}

/// A step by plain loops.
struct HostPairs {
  std::vector<PairLoop> loops;
  BinaryOp op;
  Epilogue epilogue;

  /// Walks the loops from `depth` on, the last fastest; returns the elements computed.
  template <class T>
  int64_t run(size_t depth, const T* a, const T* b, T*& y) const {
    if (depth == loops.size()) {
      *y++ = finish(combine(op, *a, *b));
      return 1;
    }
    int64_t done = 0;
    const PairLoop& loop = loops[depth];
    for (int64_t i = 0; i < loop.size; ++i) done += run(depth + 1, a + i * loop.a_stride, b + i * loop.b_stride, y);
    return done;
  }

  template <class T>
  T finish(T value) const {
    if constexpr (std::is_same_v<T, float>) return static_cast<float>(activated(epilogue, value));
    return value;
  }
};

/// Rows whose offsets are worth a table: 64 MiB of it at most. More only occur where rows are very short.
constexpr int64_t kMostTableRows = int64_t{1} << 22;

std::vector<PairLoop> loops_of(const PairOperand& a, const PairOperand& b, const Placement& y) {
  return pair_loops(y.type.shape, y.layout, y.channel_stride, a.aligned, b.aligned);
}

void add_host_pair_step(Preparation& preparation, const HostPairs& pairs, const PairOperand& a, const PairOperand& b,
                        const Placement& y) {
  with_number_type(y.type.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t n = placed_elements(y);
    const auto run = [pairs](const std::vector<std::byte*>& p, int64_t, int64_t, Tally* tally) noexcept {
      T* out = reinterpret_cast<T*>(p[2]);
      const int64_t done = pairs.run(0, reinterpret_cast<const T*>(p[0]), reinterpret_cast<const T*>(p[1]), out);
      if (!tally) return;
      tally->bytes_loaded += 2 * done * int64_t{sizeof(T)};
      tally->bytes_stored += done * int64_t{sizeof(T)};
    };
    const int64_t bytes = n * int64_t{sizeof(T)};
    const int64_t weights = (a.constant + b.constant) * bytes;
    add_host_step(preparation, {a.buffer, b.buffer, y.buffer}, host_planned(2 * bytes - weights, weights, bytes),
                  kHostCyclesPerElement * static_cast<double>(n), run);
  });
}

}  // namespace

Shape with_leading_ones(const Shape& shape, size_t rank) {
  Shape aligned(rank - std::min(rank, shape.size()), 1);
  aligned.insert(aligned.end(), shape.begin(), shape.end());
  return aligned;
}

bool may_meet_channels_last(Operands in, const TensorType& out) {
  if (!may_be_channels_last(out.dtype, out.shape) || out.shape[1] < 2 || element_count(out.shape) == 0) return false;
  return std::all_of(in.begin(), in.end(),
                     [&](const Operand& x) { return x.constant || x.shape.size() == out.shape.size(); });
}

PairOperand expected_pair_operand(const Operand& x, const Shape& aligned, const Placement& y, int64_t channel_pad) {
  PairOperand operand{{aligned, {}}, -1, x.constant != nullptr};
  if (y.layout == Layout::plain)
    operand.aligned.strides = row_major_strides(aligned);
  else if (is_packed(x, y))
    operand.aligned.strides =
        placed_strides(packed_shape(aligned, y), Layout::channels_last, packed_shape(aligned, y)[1]);
  else
    operand.aligned.strides = placed_strides(aligned, Layout::channels_last, padded_channels(aligned[1], channel_pad));
  return operand;
}

PairOperand place_pair_operand(Preparation& preparation, int input, const Shape& aligned, const Placement& y) {
  const Operand& x = preparation.inputs()[static_cast<size_t>(input)];
  PairOperand operand = expected_pair_operand(x, aligned, y, preparation.geometry().channel_pad);
  operand.buffer =
      is_packed(x, y)
          ? add_float_weights(preparation, pack_channels_last(*x.constant, aligned, packed_shape(aligned, y)), x.name)
          : preparation.input(input).buffer;
  return operand;
}

double pair_cycles(const Geometry& geometry, BinaryOp op, const PairOperand& a, const PairOperand& b,
                   const Placement& y) {
  if (y.type.dtype != DType::f32) return kHostCyclesPerElement * static_cast<double>(element_count(y.type.shape));
  BinaryArgs args = binary_args(loops_of(a, b, y), op);
  return planned_cycles(geometry, planned_binary(args, geometry), kStepCycles);
}

void add_pair_step(Preparation& preparation, BinaryOp op, const Epilogue& epilogue, const PairOperand& a,
                   const PairOperand& b, const Placement& y) {
  if (element_count(y.type.shape) == 0) return;
  const std::vector<PairLoop> loops = loops_of(a, b, y);
  BinaryArgs args = binary_args(loops, op);
  const bool long_table = loops.size() > 2 && args.rows > kMostTableRows;
  if (y.type.dtype != DType::f32 || long_table) return add_host_pair_step(preparation, {loops, op, epilogue}, a, b, y);
  args.epilogue = epilogue;
  std::vector<std::shared_ptr<const void>> tables = point_at_rows(args, loops);
  Planned planned = planned_binary(args, preparation.geometry());
  const int64_t elements = args.rows * args.inner;
  for (const auto& [operand, scalar] : {std::pair{&a, args.a_scalar}, std::pair{&b, args.b_scalar}}) {
    if (!operand->constant) continue;
    const int64_t bytes = int64_t{sizeof(float)} * (scalar ? args.items() : elements);
    planned.loaded_activations -= bytes;
    planned.loaded_weights += bytes;
  }
  auto& step = preparation.add_kernel<[](const KernelTable& t) { return t.binary; }>(
      args,
      {{offsetof(BinaryArgs, a), a.buffer}, {offsetof(BinaryArgs, b), b.buffer}, {offsetof(BinaryArgs, y), y.buffer}},
      planned, planned_cycles(preparation.geometry(), planned, kStepCycles));
  step.owned = std::move(tables);
}

}  // namespace tally
