#pragma once
// The definition of an Einsum in double: every combination of labels, added up where it belongs.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tally::reference {

struct EinsumTensor {
  std::vector<int64_t> shape;
  std::vector<double> values;
};

struct EinsumResult {
  std::vector<int64_t> shape;
  std::vector<double> y, scale;  ///< scale: Σ |product|
  int64_t combinations = 1;      ///< of all labels
};

/// `equation` with "->" and one character a label, "..." written out. An extent of 1 meets any other.
inline EinsumResult einsum(const std::string& equation, const std::vector<EinsumTensor>& x) {
  std::vector<std::string> terms(1);
  for (char c : equation.substr(0, equation.find("->"))) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  const std::string output = equation.substr(equation.find("->") + 2);
  std::map<char, int64_t> extents;
  for (std::size_t i = 0; i < terms.size(); ++i)
    for (std::size_t d = 0; d < terms[i].size(); ++d)
      if (int64_t& extent = extents[terms[i][d]]; extent < 2) extent = x[i].shape[d];

  EinsumResult r;
  std::size_t outputs = 1;
  for (char c : output) r.shape.push_back(extents[c]), outputs *= static_cast<std::size_t>(extents[c]);
  r.y.assign(outputs, 0);
  r.scale.assign(outputs, 0);
  for (const auto& [label, extent] : extents) r.combinations *= extent;
  for (int64_t n = 0; n < r.combinations; ++n) {
    std::map<char, int64_t> at;
    int64_t rest = n;
    for (const auto& [label, extent] : extents) at[label] = rest % extent, rest /= extent;
    double product = 1;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      int64_t place = 0;
      for (std::size_t d = 0; d < terms[i].size(); ++d)
        place = place * x[i].shape[d] + (x[i].shape[d] == 1 ? 0 : at[terms[i][d]]);
      product *= x[i].values[static_cast<std::size_t>(place)];
    }
    int64_t place = 0;
    for (char c : output) place = place * extents[c] + at[c];
    r.y[static_cast<std::size_t>(place)] += product;
    r.scale[static_cast<std::size_t>(place)] += product < 0 ? -product : product;
  }
  return r;
}

}  // namespace tally::reference
