#pragma once
// numpy.matmul and ONNX's Gemm in double.
#include <cmath>
#include <cstdint>
#include <vector>

namespace tally::reference {

struct MatrixResult {
  std::vector<double> y;
  std::vector<double> scale;  ///< Σ of the terms' absolute values: what rounding errors grow with
};

/// y[b, m, n] = Σ_k a[a_offset[b] + m·K + k] · b[b_offset[b] + k·N + n], dense matrices at the given offsets.
inline MatrixResult matmul(const std::vector<double>& a, const std::vector<double>& b, int64_t M, int64_t N, int64_t K,
                           const std::vector<int64_t>& a_offset, const std::vector<int64_t>& b_offset) {
  MatrixResult r;
  for (size_t i = 0; i < a_offset.size(); ++i)
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0, scale = 0;
        for (int64_t k = 0; k < K; ++k) {
          const double product =
              a[static_cast<size_t>(a_offset[i] + m * K + k)] * b[static_cast<size_t>(b_offset[i] + k * N + n)];
          sum += product;
          scale += std::fabs(product);
        }
        r.y.push_back(sum);
        r.scale.push_back(scale);
      }
  return r;
}

/// alpha·A'·B' + beta·C; c(m, n) gives C's element.
template <class C>
MatrixResult gemm(const std::vector<double>& a, const std::vector<double>& b, int64_t M, int64_t N, int64_t K,
                  bool trans_a, bool trans_b, double alpha, double beta, C c) {
  MatrixResult r;
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < N; ++n) {
      double sum = 0, scale = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double product = a[static_cast<size_t>(trans_a ? k * M + m : m * K + k)] *
                               b[static_cast<size_t>(trans_b ? n * K + k : k * N + n)];
        sum += product;
        scale += std::fabs(product);
      }
      r.y.push_back(alpha * sum + beta * c(m, n));
      r.scale.push_back(std::fabs(alpha) * scale + std::fabs(beta * c(m, n)));
    }
  return r;
}

}  // namespace tally::reference
