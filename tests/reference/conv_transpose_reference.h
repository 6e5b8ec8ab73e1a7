#pragma once
// The definition of ONNX's ConvTranspose in double: every input times every tap, added up where it lands, cropped last.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tally::reference {

/// Three spatial axes, outermost first; a tensor with fewer has extent 1 in front.
struct ConvTransposeCase {
  using Triple = std::array<int64_t, 3>;
  int64_t N = 1, C = 1, M = 1, G = 1;
  Triple in{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  Triple begin{0, 0, 0}, end{0, 0, 0}, added{0, 0, 0};  ///< pads and output_padding

  int64_t out(std::size_t a) const {
    return stride[a] * (in[a] - 1) + added[a] + (kernel[a] - 1) * dilation[a] + 1 - begin[a] - end[a];
  }
};

struct ConvTransposeResult {
  std::vector<double> y;      ///< [N, M, oD, oH, oW]
  std::vector<double> scale;  ///< Σ |x·w| + |b|: what rounding errors grow with
  int64_t products = 0, kept = 0;
};

/// `b` may be empty.
inline ConvTransposeResult conv_transpose(const ConvTransposeCase& c, const std::vector<double>& x,
                                          const std::vector<double>& w, const std::vector<double>& b) {
  const int64_t inputs = c.C / c.G, outputs = c.M / c.G, pixels = c.out(0) * c.out(1) * c.out(2);
  ConvTransposeResult r;
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t m = 0; m < c.M; ++m)
      for (int64_t i = 0; i < pixels; ++i) {
        r.y.push_back(b.empty() ? 0 : b[static_cast<std::size_t>(m)]);
        r.scale.push_back(r.y.back() < 0 ? -r.y.back() : r.y.back());
      }
  const auto place = [](const std::array<int64_t, 3>& at, const std::array<int64_t, 3>& extent) {
    return (at[0] * extent[1] + at[1]) * extent[2] + at[2];
  };
  const std::array<int64_t, 3> out{c.out(0), c.out(1), c.out(2)};
  const int64_t image = c.in[0] * c.in[1] * c.in[2], taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t channel = 0; channel < c.C; ++channel)
      for (int64_t j = 0; j < outputs; ++j)
        for (int64_t pixel = 0; pixel < image; ++pixel)
          for (int64_t tap = 0; tap < taps; ++tap) {
            ++r.products;
            const std::array<int64_t, 3> i{pixel / c.in[2] / c.in[1], pixel / c.in[2] % c.in[1], pixel % c.in[2]};
            const std::array<int64_t, 3> k{tap / c.kernel[2] / c.kernel[1], tap / c.kernel[2] % c.kernel[1],
                                           tap % c.kernel[2]};
            std::array<int64_t, 3> o{};
            bool inside = true;
            for (std::size_t a = 0; a < 3; ++a) {
              o[a] = i[a] * c.stride[a] + k[a] * c.dilation[a] - c.begin[a];
              inside = inside && o[a] >= 0 && o[a] < out[a];
            }
            if (!inside) continue;
            ++r.kept;
            const int64_t m = channel / inputs * outputs + j;
            const double product = x[static_cast<std::size_t>((n * c.C + channel) * image + pixel)] *
                                   w[static_cast<std::size_t>((channel * outputs + j) * taps + tap)];
            const auto at = static_cast<std::size_t>((n * c.M + m) * pixels + place(o, out));
            r.y[at] += product;
            r.scale[at] += product < 0 ? -product : product;
          }
  return r;
}

}  // namespace tally::reference
