#pragma once
// The ways to run attention, one file each.
#include "tally/layers/attention.h"

namespace tally {

/// An attention whose extents are known.
struct AttentionTask {
  AttentionSpec spec;
  AttentionExtents x;
  double scale = 1;
  Operands in;
  std::span<const TensorType> out;
  std::string label;

  bool has(int input) const { return has_operand(in, input); }
  bool wants(int output) const {
    return static_cast<size_t>(output) < out.size() && out[static_cast<size_t>(output)].dtype != DType::undefined;
  }
  /// The mask's own element at (b, h, i, j) lies at b·batch + h·head + i·row + j·key; 0 where it is broadcast.
  struct MaskStrides {
    int64_t batch = 0, head = 0, row = 0, key = 0, columns = 0;
  };
  MaskStrides mask_strides() const;
};

/// The view of an operand as the operands' ranks have it: those of ONNX's node may have rank 3.
HeadView view_of_operand(const AttentionTask& task, const HeadView& own);

/// Keys or values as the kernel reads them.
struct Rows {
  BufferId buffer = -1;
  HeadView view;
  Shape shape;
  bool constant = false;
};

/// The kernel's arguments, pointers and mask aside; keys and values as they lie in `k` and `v`.
AttentionArgs kernel_arguments(const AttentionTask& task, const Rows& k, const Rows& v);
/// Without a past: keys and values as they lie in their operands.
AttentionArgs kernel_arguments(const AttentionTask& task);

/// The kernel that streams over keys: float32, no qk_matmul_output.
bool attention_kernel_serves(const AttentionTask& task);
void list_attention_kernel(const AttentionTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_attention_kernel(const AttentionTask& task, const Candidate& candidate, Preparation& preparation);

/// Plain loops over whole rows of scores: any type, any output; sums in double.
void list_attention_host(const AttentionTask& task, std::vector<Candidate>& list);
void prepare_attention_host(const AttentionTask& task, const Candidate& candidate, Preparation& preparation);

/// past and new rows one after another: present[b, g, :, :], heads apart. `output`: kPresentKey or kPresentValue.
Rows concatenated_rows(const AttentionTask& task, int input, int past, int output, Preparation& preparation);

}  // namespace tally
