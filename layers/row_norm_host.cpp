#include "tally/layers/row_norm_host.h"

#include <cmath>

#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/row_norm.h"

namespace tally {

namespace {

constexpr int kX = RowNormalization::kX, kScale = RowNormalization::kScale, kB = RowNormalization::kB;
constexpr int kY = 3, kMean = 4, kInverse = 5;  // among the step's operands

/// Where the parameter of element j of a row lies, by element; empty: args say.
std::vector<int64_t> parameter_offsets(const Shape& row, const Shape& parameter) {
  if (row.empty() || element_count(parameter) == element_count(row)) return {};
  const Shape aligned = with_leading_ones(parameter, row.size());
  const Shape strides = row_major_strides(aligned), row_strides = row_major_strides(row);
  std::vector<int64_t> offsets(static_cast<size_t>(element_count(row)), 0);
  for (size_t j = 0; j < offsets.size(); ++j)
    for (size_t d = 0; d < row.size(); ++d)
      if (aligned[d] != 1) offsets[j] += static_cast<int64_t>(j) / row_strides[d] % row[d] * strides[d];
  return offsets;
}

struct Parameter {
  RealReader read = nullptr;  ///< null: absent
  std::vector<int64_t> offsets;
  int operand = 0;

  double at(const std::vector<std::byte*>& operands, const RowNormArgs& args, int64_t row, int64_t j,
            double absent) const {
    if (!read) return absent;
    const int64_t i = offsets.empty() ? (row * (args.width / args.inner) + j / args.inner) % args.channels
                                      : offsets[static_cast<size_t>(j)];
    return read(operands[static_cast<size_t>(operand)], i);
  }
};

struct HostRowNorm {
  RowNormArgs args;
  Parameter scale, bias;

  /// What it read, in elements.
  struct Read {
    int64_t x = 0, parameters = 0;
  };

  template <class T, class Y>
  Read run(const std::vector<std::byte*>& at) const {
    Read read;
    const int64_t w = args.width;
    for (int64_t row = 0; row < args.rows; ++row) {
      const T* x = reinterpret_cast<const T*>(at[kX]) + row * w;
      Y* y = reinterpret_cast<Y*>(at[kY]) + row * w;
      double mean = 0, squares = 0;
      if (args.centred)
        for (int64_t j = 0; j < w; ++j) mean += to_sum(x[j]);
      if (args.centred) mean /= static_cast<double>(w);
      for (int64_t j = 0; j < w; ++j) squares += (to_sum(x[j]) - mean) * (to_sum(x[j]) - mean);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(w) + args.epsilon);
      for (int64_t j = 0; j < w; ++j)
        y[j] =
            from_sum<Y>((to_sum(x[j]) - mean) * inverse * scale.at(at, args, row, j, 1) + bias.at(at, args, row, j, 0));
      if (at[kMean]) reinterpret_cast<float*>(at[kMean])[row] = static_cast<float>(mean);
      if (at[kInverse]) reinterpret_cast<float*>(at[kInverse])[row] = static_cast<float>(inverse);
      read.x += (args.centred ? 3 : 2) * w;
      read.parameters += w;
    }
    return read;
  }
};

}  // namespace

void add_host_row_norm(Preparation& p, const RowNormArgs& args, bool has_bias, const Shape& row) {
  const Operands in = p.inputs();
  const std::span<const TensorType> out = p.outputs();
  const auto buffer = [&](size_t i) {
    return i < out.size() && out[i].dtype != DType::undefined ? p.output(static_cast<int>(i)).buffer : -1;
  };
  HostRowNorm host{args, {real_reader(in[kScale].dtype), parameter_offsets(row, in[kScale].shape), kScale}, {}};
  if (has_bias) host.bias = {real_reader(in[kB].dtype), parameter_offsets(row, in[kB].shape), kB};
  const std::vector<BufferId> ids = {
      p.input(kX).buffer, p.input(kScale).buffer, has_bias ? p.input(kB).buffer : -1, p.output(0).buffer, buffer(1),
      buffer(2)};
  const int64_t n = args.rows * args.width;
  const auto bytes = [](DType type, int64_t count) { return bytes_of(type, 1) * count; };
  Planned planned;
  for (int i : {kX, kScale, kB}) {
    if (i == kB && !has_bias) continue;
    const Operand& operand = in[static_cast<size_t>(i)];
    const int64_t read = bytes(operand.dtype, i == kX ? (args.centred ? 3 : 2) * n : n);
    (operand.constant ? planned.loaded_weights : planned.loaded_activations) += read;
  }
  const int64_t moments = (ids[kMean] >= 0) + (ids[kInverse] >= 0);
  planned = host_planned(planned.loaded_activations, planned.loaded_weights,
                         bytes(out[0].dtype, n) + args.rows * moments * int64_t{sizeof(float)});
  const int64_t a_parameter = bytes(in[kScale].dtype, 1) + (has_bias ? bytes(in[kB].dtype, 1) : 0);
  with_number_type(in[kX].dtype, [&](auto tag) {
    with_number_type(out[0].dtype, [&](auto result_tag) {
      using T = typename decltype(tag)::type;
      using Y = typename decltype(result_tag)::type;
      if constexpr (!std::is_integral_v<T> && !std::is_integral_v<Y>) {
        const auto run = [host, a_parameter](const std::vector<std::byte*>& at, int64_t, int64_t,
                                             Tally* tally) noexcept {
          const auto read = host.run<T, Y>(at);
          if (!tally) return;
          const int64_t moments = (at[kMean] != nullptr) + (at[kInverse] != nullptr);
          tally->bytes_loaded += read.x * int64_t{sizeof(T)} + read.parameters * a_parameter;
          tally->bytes_stored +=
              read.parameters * int64_t{sizeof(Y)} + host.args.rows * moments * int64_t{sizeof(float)};
        };
        add_host_step(p, ids, planned, 3 * kHostCyclesPerElement * static_cast<double>(n), run);
      }
    });
  });
}

}  // namespace tally
