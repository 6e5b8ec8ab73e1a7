#pragma once
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// Chooses the method and the blocks for args' extents: sets block_queries and rows. False where neither method's
/// scratch holds the rows (d + e beyond 2,000 or so).
bool plan_attention(AttentionArgs& args, const Geometry& geometry);

/// Bytes loaded by operand.
struct AttentionLoads {
  int64_t q = 0, k = 0, v = 0, mask = 0;
};

/// What the kernel executes over all its items; equal to the counted tally for any division of the items. All loads are
/// activations; `loads` says whose.
Planned planned_attention(const AttentionArgs& args, const Geometry& geometry, AttentionLoads* loads = nullptr);

/// Products that `causal` makes void: of queries · keys a head those pairs of which the query does not see the key,
/// times d + e.
int64_t causal_products(const AttentionArgs& args);

}  // namespace tally
