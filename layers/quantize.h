#pragma once
// What QuantizeLinear and DequantizeLinear share: how scales and zero points lie over a tensor.
#include <limits>

#include "tally/layers/host_step.h"
#include "tally/layers/stored_element.h"

namespace tally {

/// The attributes `axis` and `block_size`.
struct QuantizationAxis {
  int64_t axis = 1;
  int64_t block_size = 0;  ///< 0: a parameter an index of the axis, or one in all

  explicit QuantizationAxis(const Node& node);
};

/// A tensor as rows of adjacent elements, and where the parameters of each lie. Parameters are a scale and, where
/// given, a zero point of the same shape.
struct ParameterRows {
  int64_t elements = 0, rows = 0, width = 0;  ///< the last row may be shorter
  int64_t stride = 0;                         ///< of the parameters along a row; 0: one serves the row
  // Parameter of row r's first element: r / period · period_step + r mod period / block · block_step.
  int64_t period = 1, period_step = 0, block = 1, block_step = 0;

  int64_t begin(int64_t row) const { return row * width; }
  int64_t end(int64_t row) const { return std::min(elements, (row + 1) * width); }
  int64_t parameter(int64_t row) const { return row / period * period_step + row % period / block * block_step; }
  /// Parameters that all rows read, one by one.
  int64_t parameters_read() const { return stride == 0 ? rows : elements; }
};

/// Operands 0 (data), 1 (scale) and 2 (zero point, optional) of either operator. The scale has one element, or is
/// [x.shape[axis]], or has with block_size B the shape of x but ⌈x.shape[axis] / B⌉ along the axis; the zero point has
/// its shape. Throws Error(model) naming `who`.
ParameterRows parameter_rows(const QuantizationAxis& attributes, Operands in, const std::string& who);

/// Time may run along any axis along which parameters do not vary.
StreamStep stream_quantization(const QuantizationAxis& attributes, Operands in, std::span<const int> time_axes);

/// True for the integers and 8-bit floats that tensors are quantised to.
bool is_quantised(DType type);

/// float32, float16 or bfloat16: what scales may be.
bool is_scale(DType type);

/// y[i] = saturate(round(x[i] / scale) + zero), halves to even, NaN as 0. Adding 1.5 · 2^23 leaves the nearest integer
/// in the low bits; before it the quotient is brought to where the result saturates.
template <class T>
void quantise_row(const float* x, float scale, T zero, T* y, int64_t n) {
  constexpr float kShift = 0x1.8p23f;
  const float lo = static_cast<float>(std::numeric_limits<T>::lowest() - zero);
  const float hi = static_cast<float>(std::numeric_limits<T>::max() - zero);
  for (int64_t i = 0; i < n; ++i) {
    const float q = x[i] / scale;
    const float above = q >= lo ? q : (q < lo ? lo : 0.0f);  // NaN becomes 0
    const float inside = above > hi ? hi : above;
    const float shifted = inside + kShift;
    y[i] = static_cast<T>(static_cast<int32_t>(shifted - kShift) + zero);
  }
}

/// Addresses of a step: data, scale, zero point or null, result.
struct QuantizationOperands {
  const std::byte* x;
  const std::byte* scale;
  const std::byte* zero;
  std::byte* y;
};

/// Appends a step that calls row(operands, r), void, for every row, and counts what the row reads and writes.
template <class Row>
void add_row_step(Preparation& p, const ParameterRows& rows, double cycles_per_element, Row row) {
  if (rows.elements == 0) return;
  const Operands in = p.inputs();
  const DType x = in[0].dtype, y = p.outputs()[0].dtype;
  const bool has_zero = in.size() > 2 && in[2].present;
  const int64_t scale_bytes = bytes_around(in[1].dtype), zero_bytes = has_zero ? bytes_around(in[2].dtype) : 0;
  const auto stored = [](DType type, int64_t n) { return bytes_of(type, n); };
  const auto run = [=](const std::vector<std::byte*>& at, int64_t begin, int64_t end, Tally* tally) noexcept {
    int64_t elements = 0, parameters = 0;
    for (int64_t r = begin; r < end; ++r) {
      row(QuantizationOperands{at[0], at[1], at[2], at[3]}, r);
      elements += rows.end(r) - rows.begin(r);
      parameters += rows.stride == 0 ? 1 : rows.end(r) - rows.begin(r);
    }
    if (!tally) return;
    tally->bytes_loaded += stored(x, elements) + parameters * (scale_bytes + zero_bytes);
    tally->bytes_stored += stored(y, elements);
  };
  int64_t loads[2] = {};  // of activations, of constants
  loads[in[0].constant != nullptr] += stored(x, rows.elements);
  loads[in[1].constant != nullptr] += rows.parameters_read() * scale_bytes;
  if (has_zero) loads[in[2].constant != nullptr] += rows.parameters_read() * zero_bytes;
  const double cycles = cycles_per_element * static_cast<double>(rows.elements);
  // Rows of 4-bit elements may begin within a byte: one piece of work.
  const bool packed = bits_of(x) < 8 || bits_of(y) < 8;
  add_host_step(
      p, {p.input(0).buffer, p.input(1).buffer, has_zero ? p.input(2).buffer : -1, p.output(0).buffer},
      host_planned(loads[0], loads[1], stored(y, rows.elements)), cycles,
      [run, rows, packed](const std::vector<std::byte*>& at, int64_t begin, int64_t end, Tally* tally) noexcept {
        packed ? run(at, 0, rows.rows, tally) : run(at, begin, end, tally);
      },
      packed ? 1 : rows.rows);
}

}  // namespace tally
