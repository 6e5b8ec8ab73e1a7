#pragma once
// A matrix or convolution problem laid out for the matrix kernel, in guarded memory, with its answer.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/pack.h"
#include "tests/judged.h"
#include "tests/reference/gemm_reference.h"
#include "tests/reference/guarded_buffer.h"

namespace tally::test {

/// A kH × kW convolution over an unpadded channels_last image of h × w pixels with `pad` taps outside on every side; h
/// = 1, kh = kw = 1 is the product of a w × channels matrix. Each group has `channels` inputs and `columns` outputs.
struct GemmShape {
  int64_t images = 1, h = 1, w = 1, channels = 1, groups = 1, columns = 1;
  int64_t kh = 1, kw = 1, pad = 0;
  int64_t a_gap = 0, c_gap = 0;  ///< unused elements between pixels of A and C
  int k_blocks = 1;
  int64_t rows_per_block = 1000;
  bool bias = true, residual = false, full_stores = false, one_row = false;
  Epilogue epilogue = {};
};

inline std::string describe(const GemmShape& s) {
  std::string text;
  for (const int64_t v : {s.images, s.h, s.w, s.channels, s.groups, s.columns, s.kh, s.kw, s.pad, s.a_gap, s.c_gap,
                          int64_t{s.k_blocks}, s.rows_per_block}) {
    text += std::to_string(v) + " ";
  }
  return text + (s.bias ? "bias " : "") + (s.residual ? "residual " : "") + (s.full_stores ? "full " : "") +
         (s.one_row ? "one_row " : "") + "activation " + std::to_string(static_cast<int>(s.epilogue.activation));
}

inline size_t bytes_of(Num num) { return num == Num::f32 ? 4 : num == Num::f16 ? 2 : 1; }

class GemmProblem {
 public:
  GemmProblem(Num num, const GemmShape& shape, const Geometry& geometry)
      : num_(num), shape_(shape), geometry_(geometry), step_(geometry.k_step[static_cast<int>(num)]) {
    lay_out();
    fill();
    pack();
  }

  const GemmArgs& args() const { return args_; }
  Num num() const { return num_; }
  size_t c_bytes() const { return c_->size(); }
  const uint8_t* c() const { return c_->data(); }

  /// Poisons C (or, where it is the residual too, restores it).
  void clear() { std::memset(c_->data(), 0xFF, c_->size()); }

  std::vector<reference::GemmElement> answer() const {
    return reference::gemm(args_, num_, {source_.data(), depth() * 1, 1}, order_, bias_);
  }
  double c_value(int64_t offset) const {
    if (num_ == Num::f32) return reinterpret_cast<const float*>(c_->data())[offset];
    if (num_ == Num::f16) return to_float(reinterpret_cast<const Half*>(c_->data())[offset]);
    return reinterpret_cast<const int32_t*>(c_->data())[offset];
  }
  bool guards_intact() const {
    return a_->intact() && w_->intact() && c_->intact() && bias_packed_->intact() && residual_->intact() &&
           sums_->intact();
  }
  /// The operands, for the judge of bytes.
  std::vector<Judge::Buffer> buffers() const {
    std::vector<Judge::Buffer> list;
    for (const Bytes* b : {a_.get(), w_.get(), c_.get(), residual_.get(), bias_packed_.get()}) {
      if (b->size() > 0) list.push_back({b->data(), b->size()});
    }
    if (sums_->size() > 0) list.push_back({sums_->data(), sums_->size() * sizeof(int32_t)});
    return list;
  }
  int64_t depth() const { return shape_.channels * shape_.kh * shape_.kw; }

 private:
  using Bytes = reference::GuardedBuffer<uint8_t>;

  /// Output pixels whose taps inside the image are the same, as rectangles.
  void lay_out() {
    const GemmShape& s = shape_;
    const int64_t oh = s.h + 2 * s.pad - s.kh + 1, ow = s.w + 2 * s.pad - s.kw + 1;
    const auto same_taps = [](int64_t size, int64_t out, int64_t kernel, int64_t pad) {
      std::vector<std::pair<int64_t, int64_t>> ranges;  // [first, end)
      const auto taps = [&](int64_t o) {
        return std::pair(std::max<int64_t>(0, pad - o), std::min(kernel, size + pad - o));
      };
      for (int64_t o = 0; o < out; ++o) {
        if (o > 0 && taps(o) == taps(o - 1)) {
          ++ranges.back().second;
        } else {
          ranges.emplace_back(o, o + 1);
        }
      }
      return ranges;
    };
    // Every tap is a run of its own, so that a region may leave out any of them.
    std::vector<DepthRun> runs;
    for (int64_t t = 0; t < s.kh * s.kw; ++t) {
      runs.push_back({static_cast<int32_t>(t * s.channels), static_cast<int32_t>(s.channels)});
    }
    order_ = depth_order(runs, step_);
    const int64_t run_rows = static_cast<int64_t>(order_.size()) / (s.kh * s.kw);
    args_.a_x = s.channels * s.groups + s.a_gap;
    args_.a_y = args_.a_x * s.w;
    args_.a_image = args_.a_y * s.h;
    for (const auto& [y0, y1] : same_taps(s.h, oh, s.kh, s.pad)) {
      for (const auto& [x0, x1] : same_taps(s.w, ow, s.kw, s.pad)) {
        regions_.push_back({static_cast<int32_t>(y0), static_cast<int32_t>(x0), static_cast<int32_t>(y1 - y0),
                            static_cast<int32_t>(x1 - x0)});
        args_.rows += (y1 - y0) * (x1 - x0);
        add_segments(y0, x0, run_rows);
      }
    }
    packing_ = plan_packing(s.columns, s.groups, static_cast<int64_t>(order_.size()), s.channels, s.one_row, geometry_);
    const int64_t room = s.full_stores ? packing_.bias_elements : s.columns * s.groups;
    args_.c_x = room + s.c_gap;
    args_.c_y = args_.c_x * ow + 3 * s.c_gap;
    args_.c_image = args_.c_y * oh;
    const int64_t last = (s.images - 1) * args_.c_image + (oh - 1) * args_.c_y + (ow - 1) * args_.c_x;
    c_elements_ = static_cast<size_t>(last + room);
  }

  /// The taps of pixel (y, x) that fall inside, cut into k_blocks at taps.
  void add_segments(int64_t y, int64_t x, int64_t run_rows) {
    const GemmShape& s = shape_;
    std::vector<Segment> taps;
    for (int64_t ky = 0; ky < s.kh; ++ky) {
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t iy = y + ky - s.pad, ix = x + kx - s.pad;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        taps.push_back({static_cast<int32_t>((ky - s.pad) * args_.a_y + (kx - s.pad) * args_.a_x),
                        static_cast<int32_t>((ky * s.kw + kx) * run_rows), static_cast<int32_t>(s.channels)});
      }
    }
    if (s.kh * s.kw == 1 && s.k_blocks > 1) taps = cut(taps[0], s.k_blocks);
    const size_t count = taps.size(), blocks = static_cast<size_t>(s.k_blocks);
    for (size_t b = 0; b < blocks; ++b) {
      first_.push_back(static_cast<int32_t>(segments_.size()));
      for (size_t t = count * b / blocks; t < count * (b + 1) / blocks; ++t) segments_.push_back(taps[t]);
    }
    first_.push_back(static_cast<int32_t>(segments_.size()));
  }

  /// One segment cut at whole steps into up to `parts`.
  std::vector<Segment> cut(const Segment& whole, int parts) const {
    std::vector<Segment> result;
    const int32_t length = std::max(step_, whole.length / parts / step_ * step_);
    for (int32_t at = 0; at < whole.length; at += length) {
      result.push_back({whole.a_offset + at, whole.w_row + at, std::min(length, whole.length - at)});
    }
    return result;
  }

  template <class T>
  void put(uint8_t* data, size_t i, T value) {
    std::memcpy(data + i * sizeof(T), &value, sizeof(T));
  }
  void put_random(uint8_t* data, size_t i) {
    if (num_ == Num::i8) {
      // The extremes, whose products and sums of products overflow first, are as frequent as the rest.
      const int v = std::uniform_int_distribution<int>(-192, 192)(random_);
      put(data, i, static_cast<int8_t>(std::clamp(v, -128, 127)));
    } else {
      const float v = std::uniform_real_distribution<float>(-1, 1)(random_);
      if (num_ == Num::f16) {
        put(data, i, to_half(v));
      } else {
        put(data, i, v);
      }
    }
  }

  void fill() {
    const GemmShape& s = shape_;
    const size_t element = bytes_of(num_), columns = static_cast<size_t>(s.columns * s.groups);
    const size_t c_element = num_ == Num::f16 ? 2 : 4;
    const size_t a_elements = static_cast<size_t>(s.images * args_.a_image - s.a_gap);
    a_ = std::make_unique<Bytes>(a_elements * element);
    for (size_t i = 0; i < a_elements; ++i) {
      if (static_cast<int64_t>(i) % args_.a_x < s.channels * s.groups) put_random(a_->data(), i);
    }
    source_.resize(columns * static_cast<size_t>(depth()) * element);
    for (size_t i = 0; i < source_.size() / element; ++i) put_random(source_.data(), i);
    c_ = std::make_unique<Bytes>(c_elements_ * c_element);
    residual_ = std::make_unique<Bytes>(s.residual ? c_elements_ * c_element : 0);
    for (size_t i = 0; s.residual && i < c_elements_; ++i) put_random(residual_->data(), i);
    if (s.bias) {
      for (size_t n = 0; n < columns; ++n)
        bias_.push_back(std::uniform_int_distribution<int>(-1000, 1000)(random_) / 512.0);
      if (num_ == Num::i8) {
        for (double& b : bias_) b *= 512;
      }
    }
  }

  void pack() {
    const GemmShape& s = shape_;
    w_ = std::make_unique<Bytes>(static_cast<size_t>(packing_.weight_elements) * bytes_of(num_));
    pack_gemm_weights(num_, {source_.data(), depth(), 1}, order_, packing_, geometry_, w_->data());
    bias_packed_ = std::make_unique<Bytes>(s.bias ? static_cast<size_t>(packing_.bias_elements) * 4 : 0);
    if (s.bias && num_ == Num::i8) {
      const std::vector<int32_t> bias(bias_.begin(), bias_.end());
      pack_gemm_bias(bias.data(), packing_, geometry_, reinterpret_cast<int32_t*>(bias_packed_->data()));
    } else if (s.bias) {
      const std::vector<float> bias(bias_.begin(), bias_.end());
      pack_gemm_bias(bias.data(), packing_, geometry_, reinterpret_cast<float*>(bias_packed_->data()));
    }
    args_.a = a_->data();
    args_.w = w_->data();
    args_.bias = s.bias ? bias_packed_->data() : nullptr;
    args_.residual = s.residual ? residual_->data() : nullptr;
    args_.c = c_->data();
    args_.images = s.images;
    args_.regions = regions_.data();
    args_.segments = segments_.data();
    args_.first_segment = first_.data();
    args_.panels = packing_.panels.data();
    args_.region_count = static_cast<int32_t>(regions_.size());
    args_.panel_count = static_cast<int32_t>(packing_.panels.size());
    args_.k_blocks = s.k_blocks;
    args_.rows_per_block = s.rows_per_block;
    args_.full_stores = s.full_stores;
    args_.epilogue = s.epilogue;
    const bool sums = num_ == Num::i8 && geometry_.i8_column_sums;
    const size_t sum_rows = sums ? regions_.size() * static_cast<size_t>(s.k_blocks) : 0;
    sums_ = std::make_unique<reference::GuardedBuffer<int32_t>>(sum_rows * static_cast<size_t>(packing_.bias_elements));
    if (sums) {
      pack_column_sums(args_, reinterpret_cast<const int8_t*>(w_->data()), packing_, geometry_, sums_->data());
      args_.column_sums = sums_->data();
      args_.column_sums_stride = packing_.bias_elements;
    }
  }

  Num num_;
  GemmShape shape_;
  Geometry geometry_;
  int step_;
  std::mt19937 random_{7};
  GemmArgs args_;
  GemmPacking packing_;
  DepthOrder order_;
  std::vector<Region> regions_;
  std::vector<Segment> segments_;
  std::vector<int32_t> first_;
  std::vector<uint8_t> source_;
  std::vector<double> bias_;
  size_t c_elements_ = 0;
  std::unique_ptr<Bytes> a_, w_, c_, residual_, bias_packed_;
  std::unique_ptr<reference::GuardedBuffer<int32_t>> sums_;
};

}  // namespace tally::test
