#pragma once
// The equation of an Einsum against its operands' shapes: which label runs along which axis, and how far.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/layer.h"

namespace tally {

/// Labels of one equation: letters, and the axes that "..." stands for.
inline constexpr int kMaxEinsumLabels = 64;
/// A set of labels, one bit each.
using LabelSet = uint64_t;
/// Of an axis along which an operand does not vary.
inline constexpr int kNoLabel = -1;

/// The terms of an equation; '.' stands for "...".
struct EinsumEquation {
  std::vector<std::string> terms;
  std::string output;  ///< written out, or as it is implied: "..." first, then letters that occur once, in order
};

/// Reads `equation`: terms of letters and at most one "..." each, separated by commas, then, if written out, "->" and a
/// term whose letters differ and occur before. Spaces mean nothing. ONNX Einsum, opset 12. Throws Error(model).
EinsumEquation read_einsum(const std::string& equation, const std::string& who);

/// Where the labels of one tensor lie.
struct LabelledAxes {
  std::vector<int> labels;  ///< each once; those of extent 1 left out
  Shape strides;            ///< in elements; a repeated label walks along its diagonal
  LabelSet set() const;
  /// 0 where the tensor does not vary along it.
  int64_t stride(int label) const;
};

struct EinsumShape {
  std::vector<std::vector<int>> axes;  ///< label of every axis of every operand
  std::vector<int> output_axes;        ///< and of the output
  Shape extents;                       ///< of each label
  std::vector<std::string> names;      ///< of each label
  Shape y;

  std::vector<LabelledAxes> operands;  ///< what a contraction needs of `axes`
  LabelledAxes output;

  /// Labels of a dense tensor, the last one fastest.
  LabelledAxes dense(const std::vector<int>& labels) const;
};

/// Throws Error(model) where ranks or extents contradict each other. An extent of 1 meets any other; so do the axes of
/// "...", from the last on.
EinsumShape resolve_einsum(const EinsumEquation& equation, Operands in, const std::string& who);

/// Labels of `list` that are in `set`, in their order.
std::vector<int> chosen(const std::vector<int>& list, LabelSet set);

/// Calls f(label) for each of a set.
template <class F>
void for_labels(LabelSet set, F f) {
  for (int label = 0; set != 0; ++label, set >>= 1)
    if (set & 1) f(label);
}

}  // namespace tally
