#pragma once
// The buffers of a plan being made: when each is touched, so that the arena can lay them over each other, and what all
// of them together may take.
#include <map>

#include "tally/engine/plan.h"

namespace tally {

class PlanBuffers {
 public:
  PlanBuffers(Plan& plan, const TypedGraph& graph, size_t max_memory)
      : plan_(plan), graph_(graph), max_memory_(max_memory) {}

  BufferId add(BufferInfo info);
  /// The buffer of a constant, the same at every call.
  BufferId constant(ValueId id);
  /// Row `row` reads or writes the buffer.
  void touch(BufferId id, int row);
  /// Places the arena's buffers. Throws Error(limit) where all buffers take more than they may.
  void lay_out();
  /// Throws Error(limit) where `bytes` and the computed constants are more than the plan may take.
  void check_memory(uint64_t bytes) const;

 private:
  Plan& plan_;
  const TypedGraph& graph_;
  size_t max_memory_;
  std::map<ValueId, BufferId> constants_;
  std::vector<int> first_, last_;  ///< rows that touch a buffer
};

}  // namespace tally
