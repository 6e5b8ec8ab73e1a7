#pragma once
// The ways to run the stages of an Einsum, one file each.
#include "tally/engine/preparation.h"
#include "tally/layers/einsum_stages.h"

namespace tally {

/// An Einsum whose shape is known.
struct EinsumTask {
  EinsumShape shape;
  std::vector<EinsumStage> stages;
  Operands in;
  std::string who;

  bool is_operand(int value) const { return static_cast<size_t>(value) < in.size(); }
  bool is_result(int value) const { return value == stages.back().y; }
  /// Elements of a dense value that a stage makes.
  int64_t elements(const LabelledAxes& axes) const;
};

/// Where values lie: operands and the result in their buffers, the others in scratch.
class EinsumBuffers {
 public:
  EinsumBuffers(const EinsumTask& task, Preparation& preparation);
  BufferId of(int value) const;

 private:
  int operands_;
  Preparation& preparation_;  ///< asked for an operand only where it is read as it lies
  std::vector<BufferId> made_;
};

/// Plain loops for every number type: reals in double, integers modulo 2^64; results between stages are float for
/// float32, else double or 64 bits wide.
double host_stage_cycles(const EinsumTask& task, const EinsumStage& stage);
void add_host_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation);

/// The matrix kernel for products of float32: labels of y that both factors have are batches, those of one are rows,
/// those of the other columns, and what is summed over is depth. A factor whose labels do not lie so is brought in
/// order first, and so is a result that must lie otherwise. Planned cycles, or nothing where the kernel's tables would
/// not fit or there is nothing to multiply.
std::optional<double> gemm_stage_cycles(const EinsumTask& task, const EinsumStage& stage, const PlanContext& context);
void add_gemm_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation);

/// Copies for a stage that only puts elements in another order, of any type of whole bytes.
double copy_stage_cycles(const EinsumTask& task, const EinsumStage& stage, const Geometry& geometry);
void add_copy_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation);

}  // namespace tally
