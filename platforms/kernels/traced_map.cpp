// What elementwise kernels, reductions, norms and softmax touch.
#include <algorithm>

#include "tally/platforms/accesses.h"

namespace tally {
namespace {

constexpr int64_t kFloat = 4;
constexpr int64_t kLine = 16;  ///< floats that operands take turns by

/// y = f(a, b) over n floats, line by line; a and b may be null.
void stream(const float* a, const float* b, const float* y, int64_t n, AccessSink& sink) {
  for (int64_t i = 0; i < n; i += kLine) {
    const int64_t bytes = std::min(kLine, n - i) * kFloat;
    if (a) sink.load(a + i, bytes);
    if (b) sink.load(b + i, bytes);
    if (y) sink.store(y + i, bytes);
  }
}

/// `rows` rows of `columns` floats, `stride` apart.
void block(const float* p, int64_t rows, int64_t stride, int64_t columns, bool store, AccessSink& sink) {
  for (int64_t r = 0; r < rows; ++r) sink.touch(p + r * stride, columns * kFloat, store);
}

}  // namespace

void trace(const UnaryArgs& a, const Geometry&, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t first = begin * kMapBlock, last = std::min(end * kMapBlock, a.n);
  if (first < last) stream(a.x + first, nullptr, a.y + first, last - first, sink);
}

void trace(const BinaryArgs& a, const Geometry&, int64_t begin, int64_t end, AccessSink& sink) {
  const bool blocks = a.rows == 1;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t row = blocks ? 0 : item, first = blocks ? item * kMapBlock : 0;
    const int64_t n = blocks ? std::min(kMapBlock, a.inner - first) : a.inner;
    const float* left = a.a + (a.a_rows ? a.a_rows[row] : row * a.a_row_stride);
    const float* right = a.b + (a.b_rows ? a.b_rows[row] : row * a.b_row_stride);
    if (a.a_scalar) sink.load(left, kFloat);
    if (a.b_scalar) sink.load(right, kFloat);
    stream(a.a_scalar ? nullptr : left + first, a.b_scalar ? nullptr : right + first, a.y + row * a.inner + first, n,
           sink);
  }
}

void trace(const ChannelAffineArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item * kAffineRows, last = std::min(first + kAffineRows, a.rows);
    for (int64_t row = first; !a.channels_last && row < last; ++row) {
      sink.load(a.scale + row % a.channels, kFloat);
      sink.load(a.shift + row % a.channels, kFloat);
      stream(a.x + row * a.inner, nullptr, a.y + row * a.inner, a.inner, sink);
    }
    for (int64_t c = 0; a.channels_last && c < a.channels; c += geometry.lanes) {
      const int64_t bytes = std::min<int64_t>(geometry.lanes, a.channels - c) * kFloat;
      sink.load(a.scale + c, bytes);
      sink.load(a.shift + c, bytes);
      for (int64_t row = first; row < last; ++row) {
        sink.load(a.x + row * a.channels + c, bytes);
        sink.store(a.y + row * a.channels + c, bytes);
      }
    }
  }
}

void trace(const SoftmaxArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t blocks = (a.inner + kSoftmaxRows - 1) / kSoftmaxRows;
  for (int64_t item = begin; item < end; ++item) {
    if (a.inner == 1) {
      const float *x = a.x + item * a.width, *y = a.y + item * a.width;
      sink.load(x, a.width * kFloat);
      stream(x, nullptr, y, a.width, sink);
      stream(y, nullptr, y, a.width, sink);
      continue;
    }
    const int64_t first = item % blocks * kSoftmaxRows, rows = std::min(a.inner - first, kSoftmaxRows);
    for (int64_t i = 0; i < rows; i += geometry.lanes) {
      const int64_t at = item / blocks * a.width * a.inner + first + i;
      const int64_t columns = std::min<int64_t>(geometry.lanes, rows - i);
      block(a.x + at, a.width, a.inner, columns, false, sink);
      for (int64_t j = 0; j < a.width; ++j) {
        sink.load(a.x + at + j * a.inner, columns * kFloat);
        sink.store(a.y + at + j * a.inner, columns * kFloat);
      }
      block(a.y + at, a.width, a.inner, columns, true, sink);
    }
  }
}

void trace(const ReduceArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t blocks = (a.inner + kReduceColumns - 1) / kReduceColumns;
  for (int64_t item = begin; item < end; ++item) {
    if (a.inner == 1) {
      const int64_t first = item * kReduceRows, last = std::min(first + kReduceRows, a.outer);
      for (int64_t row = first; row < last; ++row) {
        sink.load(a.x + row * a.width, a.width * kFloat);
        sink.store(a.y + row, kFloat);
      }
      continue;
    }
    const int64_t outer = item / blocks, first = item % blocks * kReduceColumns;
    const int64_t columns = std::min(a.inner - first, kReduceColumns), step = int64_t{4} * geometry.lanes;
    for (int64_t i = 0; i < columns; i += step) {
      const int64_t n = std::min(step, columns - i);
      block(a.x + outer * a.width * a.inner + first + i, a.width, a.inner, n, false, sink);
      sink.store(a.y + outer * a.inner + first + i, n * kFloat);
    }
  }
}

void trace(const RowNormArgs& a, const Geometry&, int64_t begin, int64_t end, AccessSink& sink) {
  for (int64_t row = begin; row < end; ++row) {
    const float *x = a.x + row * a.width, *y = a.y + row * a.width;
    for (int pass = 0; pass < (a.centred ? 2 : 1); ++pass) sink.load(x, a.width * kFloat);
    if (a.inner == 1) {
      const int64_t first = a.channels > 0 ? row * a.width % a.channels : 0;
      if (a.bias) sink.load(a.bias + first, a.width * kFloat);
      stream(x, a.scale ? a.scale + first : nullptr, y, a.width, sink);
    } else {
      const int64_t runs = a.width / a.inner, first = a.channels > 0 ? row * runs % a.channels : 0;
      if (a.scale) sink.load(a.scale + first, std::min(runs, a.channels - first) * kFloat);
      if (a.bias) sink.load(a.bias + first, std::min(runs, a.channels - first) * kFloat);
      stream(x, nullptr, y, a.width, sink);
    }
    if (a.mean) sink.store(a.mean + row, kFloat);
    if (a.inverse) sink.store(a.inverse + row, kFloat);
  }
}

void trace(const LrnArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / a.blocks() * a.channels * a.pixels, first = item % a.blocks() * kLrnPixels;
    const int64_t last = std::min(first + kLrnPixels, a.pixels);
    for (int64_t i = first; i < last; i += geometry.lanes) {
      const int64_t bytes = std::min<int64_t>(geometry.lanes, last - i) * kFloat;
      for (int64_t c = 0; c < a.channels; ++c) {
        sink.load(a.x + image + a.last(c) * a.pixels + i, bytes);
        sink.store(a.y + image + c * a.pixels + i, bytes);
      }
    }
  }
}

}  // namespace tally
