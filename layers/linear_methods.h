#pragma once
// The ways to run a product of matrices, one file each.
#include "tally/engine/preparation.h"
#include "tally/layers/gemm_tables.h"
#include "tally/layers/linear.h"
#include "tally/layers/operand.h"

namespace tally {

/// A product whose shape is known.
struct LinearTask {
  LinearShape shape;
  LinearTail tail;
  Operands in;

  bool has(int input) const { return has_operand(in, input); }
  /// C serves all rows alike (its values may be known or not), so that sums start from it.
  bool c_is_bias() const;
  /// C is present and needs a matrix of its own.
  bool c_is_matrix() const { return has(Linear::kC) && shape.beta != 0 && !c_is_bias(); }
  bool residual() const { return tail.residual || c_is_matrix(); }
};

/// Offset of matrix `b` of a batch, by the strides of one operand.
int64_t batch_offset(const Shape& extents, const Shape& strides, int64_t b);

/// C[M, N] in full where it is neither a row vector nor ready as it lies: a table of the plan, or written to scratch by
/// a step before every run. Returns its buffer.
BufferId expand_c(const LinearTask& task, Preparation& preparation);

/// The matrix kernel, float32.
void list_linear_gemm(const LinearTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_linear_gemm(const LinearTask& task, const Candidate& candidate, Preparation& preparation);

/// Many small products of two activations: B is packed matrix by matrix, then one step runs all.
void add_batched_steps(const LinearTask& task, const std::shared_ptr<GemmTables>& tables, double cycles,
                       Preparation& preparation);

/// Plain loops: every other element type. Integers wrap, everything else is summed in double.
void list_linear_host(const LinearTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_linear_host(const LinearTask& task, const Candidate& candidate, Preparation& preparation);

}  // namespace tally
