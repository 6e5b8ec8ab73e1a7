#pragma once
// Attention nodes of every kind with the answer of the definition in double precision.
#include "typed_tensor.h"

namespace tally::test {

struct AttentionOptions {
  int64_t B = 2, N = 5, keys = 7, past = 0, H = 4, G = 2, d = 6, e = 3;  ///< keys: new ones
  bool flat = true;                                                      ///< 3-D operands
  bool causal = false, present = false;
  double softcap = 0, scale = 0;  ///< 0: the default
  DType dtype = DType::f32, mask_dtype = DType::undefined;
  Shape mask = {};                       ///< its shape, where mask_dtype is given
  std::vector<int64_t> key_counts = {};  ///< nonpad_kv_seqlen
  int qk_mode = -1;                      ///< wants output 3
  int opset = 23;
};

struct AttentionAnswer {
  std::vector<double> y, qk;
};

/// Operands and their answer.
class AttentionCase {
 public:
  explicit AttentionCase(const AttentionOptions& options) : o(options) {
    q_ = add("q", 1, o.H, o.N, o.d);
    k_ = add("k", 2, o.G, o.keys, o.d);
    v_ = add("v", 3, o.G, o.keys, o.e);
    std::vector<std::string> in = {"q", "k", "v", "", "", "", ""};
    if (o.mask_dtype != DType::undefined) {
      mask_ = random_values(element_count(o.mask), 4);
      for (size_t i = 0; i < mask_.size(); i += 7) mask_[i] = -INFINITY;
      std::vector<double> stored = mask_;
      if (o.mask_dtype == DType::boolean)
        for (size_t i = 0; i < mask_.size(); ++i) {
          stored[i] = mask_[i] >= 0;
          mask_[i] = stored[i] != 0 ? 0 : -INFINITY;
        }
      made.input("mask", typed_tensor(o.mask_dtype, o.mask, stored));
      in[3] = "mask";
    }
    if (o.past > 0) {
      past_k_ = random_values(o.B * o.G * o.past * o.d, 5);
      past_v_ = random_values(o.B * o.G * o.past * o.e, 6);
      made.input("past_k", typed_tensor(o.dtype, {o.B, o.G, o.past, o.d}, past_k_));
      made.input("past_v", typed_tensor(o.dtype, {o.B, o.G, o.past, o.e}, past_v_));
      in[4] = "past_k";
      in[5] = "past_v";
    }
    if (!o.key_counts.empty()) {
      made.input("counts", Tensor::of_int64(o.key_counts));
      in[6] = "counts";
    }
    while (in.back().empty()) in.pop_back();
    std::map<std::string, Attribute> attributes;
    if (o.flat) attributes = {{"q_num_heads", o.H}, {"kv_num_heads", o.G}};
    if (o.causal) attributes["is_causal"] = int64_t{1};
    if (o.softcap > 0) attributes["softcap"] = static_cast<float>(o.softcap);
    if (o.scale != 0) attributes["scale"] = static_cast<float>(o.scale);
    if (o.qk_mode >= 0) attributes["qk_matmul_output_mode"] = int64_t{o.qk_mode};
    std::vector<std::string> out = {"y", "", "", ""};
    if (o.present) out[1] = "present_k", out[2] = "present_v";
    if (o.qk_mode >= 0) out[3] = "qk";
    while (out.back().empty()) out.pop_back();
    made.graph.nodes.push_back({"attention", "Attention", "", "", in, out, attributes, o.opset});
    for (const std::string& name : out)
      if (!name.empty()) made.output(name);
  }

  AttentionAnswer answer() const {
    AttentionAnswer a;
    const int64_t M = o.past + o.keys;
    a.y.resize(static_cast<size_t>(o.B * o.N * o.H * o.e));
    for (int64_t b = 0; b < o.B; ++b)
      for (int64_t h = 0; h < o.H; ++h)
        for (int64_t i = 0; i < o.N; ++i) {
          std::vector<double> s;
          const int64_t g = h / (o.H / o.G);
          double largest = -INFINITY, sum = 0;
          for (int64_t j = 0; j < M; ++j) s.push_back(score(a, b, h, g, i, j, M));
          for (double x : s) largest = std::max(largest, x);
          for (double& x : s) sum += x = std::exp(x - largest);
          for (double& x : s) x /= sum;
          if (o.qk_mode == 3) a.qk.insert(a.qk.end(), s.begin(), s.end());
          for (int64_t c = 0; c < o.e; ++c) {
            double value = 0;
            for (int64_t j = 0; j < M; ++j) value += s[static_cast<size_t>(j)] * row(v_, past_v_, b, g, j, c, o.e);
            a.y[static_cast<size_t>(at(o.flat, o.H, o.N, o.e, b, h, i, c))] = value;
          }
        }
    return a;
  }

  AttentionOptions o;
  GraphMaker made;

 private:
  static int64_t at(bool flat, int64_t heads, int64_t rows, int64_t width, int64_t b, int64_t h, int64_t i, int64_t c) {
    return flat ? ((b * rows + i) * heads + h) * width + c : ((b * heads + h) * rows + i) * width + c;
  }
  std::vector<double> add(const std::string& name, uint32_t seed, int64_t heads, int64_t rows, int64_t width) {
    const Shape shape = o.flat ? Shape{o.B, rows, heads * width} : Shape{o.B, heads, rows, width};
    std::vector<double> values = random_values(element_count(shape), seed);
    made.input(name, typed_tensor(o.dtype, shape, values));
    if (o.dtype == DType::bf16) values = made.feeds.at(name).to_double();
    return values;
  }
  double row(const std::vector<double>& fresh, const std::vector<double>& past, int64_t b, int64_t g, int64_t j,
             int64_t c, int64_t width) const {
    if (j < o.past) return past[static_cast<size_t>(at(false, o.G, o.past, width, b, g, j, c))];
    return fresh[static_cast<size_t>(at(o.flat, o.G, o.keys, width, b, g, j - o.past, c))];
  }
  double mask_at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t index[] = {b, h, i, j};
    int64_t offset = 0;
    for (size_t k = 0; k < o.mask.size(); ++k) {
      const int64_t extent = o.mask[k], wanted = index[4 - o.mask.size() + k];
      if (k + 1 == o.mask.size() && wanted >= extent && extent > 1) return -INFINITY;
      offset = offset * extent + (extent == 1 ? 0 : wanted);
    }
    return mask_[static_cast<size_t>(offset)];
  }
  double score(AttentionAnswer& a, int64_t b, int64_t h, int64_t g, int64_t i, int64_t j, int64_t) const {
    double s = 0;
    for (int64_t c = 0; c < o.d; ++c)
      s += q_[static_cast<size_t>(at(o.flat, o.H, o.N, o.d, b, h, i, c))] * row(k_, past_k_, b, g, j, c, o.d);
    s *= o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(o.d));
    if (o.qk_mode == 0) a.qk.push_back(s);
    if (o.softcap > 0) s = o.softcap * std::tanh(s / o.softcap);
    if (o.qk_mode == 1) a.qk.push_back(s);
    if (!mask_.empty()) s += mask_at(b, h, i, j);
    int64_t offset = o.past;
    if (!o.key_counts.empty()) {
      if (j >= o.key_counts[static_cast<size_t>(b)]) s = -INFINITY;
      if (o.past == 0) offset = o.key_counts[static_cast<size_t>(b)] - o.N;
    }
    if (o.causal && j > i + offset) s = -INFINITY;
    if (o.qk_mode == 2) a.qk.push_back(s);
    return s;
  }

  std::vector<double> q_, k_, v_, mask_, past_k_, past_v_;
};

}  // namespace tally::test
