#pragma once
// The ways to run a transposed convolution, one file each. A new one is its file and its row in conv_transpose.cpp.
#include "tally/engine/preparation.h"
#include "tally/layers/conv_transpose.h"
#include "tally/layers/operand.h"

namespace tally {

/// A transposed convolution whose shape is known.
struct TransposeTask {
  TransposeShape shape;
  Epilogue epilogue;
  Operands in;

  bool has_bias() const { return has_operand(in, ConvTranspose::kB); }
  /// A candidate of this task with the data operands in the given layouts.
  Candidate candidate(const char* kernel, Layout x, Layout y, double cycles) const;
  /// Products that are not cropped.
  int64_t kept_products() const;
};

/// Ordinary convolutions on the matrix kernel, one for each phase of the outputs: float32. (Shi et al. 2016, "Is the
/// deconvolution layer the same as a convolutional layer?")
void list_transpose_phases(const TransposeTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_transpose_phases(const TransposeTask& task, const Candidate& candidate, Preparation& preparation);

/// Plain loops in double, any element type and shape.
void list_transpose_host(const TransposeTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_transpose_host(const TransposeTask& task, const Candidate& candidate, Preparation& preparation);

}  // namespace tally
