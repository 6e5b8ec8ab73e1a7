#pragma once
// The ways to run a recurrent layer, one file each. A new one is its file and its row in recurrent.cpp.
#include "tally/engine/preparation.h"
#include "tally/layers/operand.h"
#include "tally/layers/recurrent.h"

namespace tally {

/// A recurrent layer whose shape is known.
struct RecurrentTask {
  RecurrentShape shape;
  RecurrentAttributes attributes;
  Operands in;
  bool y = false, y_h = false, y_c = false;  ///< outputs that are wanted
  /// One step of a stream (T = 1, forward, whole sequences): h (and c), [B, H] of X's type, live in the context's
  /// state, from initial_h and initial_c (constants) or zero on.
  bool stateful = false;
  /// Steps of each sequence where they are constants and not all T; empty otherwise. Steps beyond are not computed.
  std::vector<int64_t> lengths;
  /// sequence_lens is known at run time only: every step is computed (so that the work does not depend on data), and
  /// what lies beyond a length (clamped to 0…T) thrown away.
  bool lengths_fed = false;

  RecurrentTask(const Recurrent& layer, Operands operands, std::span<const TensorType> out);

  bool has(int input) const { return has_operand(in, input); }
  const Tensor* constant(int input) const { return has(input) ? in[static_cast<size_t>(input)].constant : nullptr; }
  /// W, R and what there is of B and P are constants.
  bool constant_weights() const;
  /// Steps that sequence `b` runs.
  int64_t steps(int64_t b) const { return lengths.empty() ? shape.T : lengths[static_cast<size_t>(b)]; }
  /// Steps of all sequences, in one direction.
  int64_t all_steps() const;
  std::span<const CellActivation> activations(int64_t direction) const {
    const auto n = static_cast<size_t>(functions_of(shape.kind));
    return std::span(attributes.activations).subspan(static_cast<size_t>(direction) * n, n);
  }
  /// A candidate of this task: every operand plain.
  Candidate candidate(const char* kernel, double cycles) const;
};

/// float32: one pass over [x; h] a step, gates interleaved; of whole sequences the input product as one over time.
void list_recurrent_kernel(const RecurrentTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_recurrent_kernel(const RecurrentTask& task, const Candidate& candidate, Preparation& preparation);

/// Plain loops: every element type, attribute and combination of operands. Sums and activations in double, h and c
/// rounded to the element type after every step.
void list_recurrent_host(const RecurrentTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_recurrent_host(const RecurrentTask& task, const Candidate& candidate, Preparation& preparation);

}  // namespace tally
