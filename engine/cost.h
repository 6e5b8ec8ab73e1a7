#pragma once
// The ideal cost of a node: what its definition asks for, free of any instruction set. Integers, exact; one MAC is one
// multiply and one add, and padding taps count (README, "Reading the columns").
#include <cstdint>
#include <string>
#include <vector>

namespace tally {

enum class Coverage { exact, approximate, free, unknown };

/// Bound of multiply-accumulates, and of loop trips, in one inference, unless the caller sets another.
inline constexpr int64_t kDefaultMaxWork = 100'000'000'000;

/// What a constant operand counts as.
enum class Role {
  activation,  ///< data that flows through the graph: bytes_read; a constant in its place counts as nothing
  weight,      ///< params and bytes_weights
  buffer,      ///< buffers and bytes_weights: BatchNormalization's mean and variance
  state,       ///< recurrent state that is fed: no params, no bytes
  constant,    ///< constants and bytes_weights: masks, position tables
  free,        ///< neither params nor bytes: shapes, axes, scales, one-element operands
};

/// One line of `explain`: macs = N·M·oH·oW·(C/g)·kH·kW = 1·6·28·28·1·5·5 = 117600.
struct Formula {
  std::string quantity, symbols, numbers;
  int64_t value = 0;
};

struct Cost {
  int64_t macs = 0;
  int64_t macs_nopad = 0;      ///< without products that fall on padding or are cropped
  int64_t macs_masked = 0;     ///< products that a causal mask makes void; macs_causal = macs − macs_masked
  int64_t bias_additions = 0;  ///< what ops_fused adds to macs
  int64_t comparisons = 0;
  int64_t elementwise = 0;
  int64_t special = 0;
  int64_t pool_operations = 0;  ///< Πk per output of a MaxPool: part of `operations`
  bool view = false;            ///< moves no data: no bytes, no activation elements
  bool textbook = false;        ///< its outputs count as textbook activation elements
  Coverage coverage = Coverage::exact;
  std::string reason;  ///< of `approximate` or `unknown`
  std::string source;  ///< where the formula comes from: operator and opset, paper and equation
  std::vector<Formula> formulas;
};

}  // namespace tally
