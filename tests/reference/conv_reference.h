#pragma once
// The definition of ONNX's Conv in double, one to three spatial dimensions, and the products that fall inside the
// image.
#include <cstdint>
#include <vector>

namespace tally::reference {

struct ConvCase {
  int64_t N = 1, C = 1, H = 1, W = 1, M = 1, G = 1;
  int64_t kH = 1, kW = 1, sH = 1, sW = 1, dH = 1, dW = 1;
  int64_t pT = 0, pL = 0, pB = 0, pR = 0;
  int64_t D = 1, kD = 1, sD = 1, dD = 1, pFront = 0, pBack = 0;

  int64_t oD() const { return (D + pFront + pBack - (kD - 1) * dD - 1) / sD + 1; }
  int64_t oH() const { return (H + pT + pB - (kH - 1) * dH - 1) / sH + 1; }
  int64_t oW() const { return (W + pL + pR - (kW - 1) * dW - 1) / sW + 1; }
};

struct ConvResult {
  std::vector<double> y;      ///< [N, M, oD, oH, oW]
  std::vector<double> scale;  ///< Σ |x·w| + |b|: what rounding errors grow with
  int64_t inside_products = 0;
};

/// `b` may be empty.
inline ConvResult conv(const ConvCase& c, const std::vector<double>& x, const std::vector<double>& w,
                       const std::vector<double>& b) {
  ConvResult r;
  const int64_t inputs = c.C / c.G, outputs = c.M / c.G;
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t m = 0; m < c.M; ++m)
      for (int64_t o = 0; o < c.oD() * c.oH() * c.oW(); ++o) {
        const int64_t oz = o / c.oW() / c.oH(), oy = o / c.oW() % c.oH(), ox = o % c.oW();
        double sum = b.empty() ? 0 : b[static_cast<size_t>(m)], scale = sum < 0 ? -sum : sum;
        for (int64_t i = 0; i < inputs; ++i)
          for (int64_t k = 0; k < c.kD * c.kH * c.kW; ++k) {
            const int64_t kz = k / c.kW / c.kH, ky = k / c.kW % c.kH, kx = k % c.kW;
            const int64_t z = oz * c.sD - c.pFront + kz * c.dD;
            const int64_t y = oy * c.sH - c.pT + ky * c.dH, xx = ox * c.sW - c.pL + kx * c.dW;
            if (z < 0 || z >= c.D || y < 0 || y >= c.H || xx < 0 || xx >= c.W) continue;
            const int64_t channel = m / outputs * inputs + i;
            const double product = x[static_cast<size_t>((((n * c.C + channel) * c.D + z) * c.H + y) * c.W + xx)] *
                                   w[static_cast<size_t>((m * inputs + i) * c.kD * c.kH * c.kW + k)];
            sum += product;
            scale += product < 0 ? -product : product;
            ++r.inside_products;
          }
        r.y.push_back(sum);
        r.scale.push_back(scale);
      }
  return r;
}

}  // namespace tally::reference
