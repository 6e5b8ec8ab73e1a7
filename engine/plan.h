#pragma once
// A plan: steps in order over buffers at fixed offsets, for one set of input shapes. Immutable once made; contexts bind
// it to their own buffers.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tally/engine/estimate.h"
#include "tally/engine/gap_terms.h"
#include "tally/engine/preparation.h"
#include "tally/engine/stream.h"
#include "tally/engine/typed_graph.h"

namespace tally {

/// `state` outlives a run: recurrent state and caches.
enum class BufferKind { input, output, weights, state, arena };

struct BufferInfo {
  std::string name;
  BufferKind kind = BufferKind::arena;
  size_t bytes = 0;
  size_t offset = 0;                       ///< within the arena
  std::shared_ptr<const void> keep_alive;  ///< of data
  const std::byte* data = nullptr;         ///< of weights; of state its first content, null for zero
  size_t growth = 0;                       ///< of state that keeps something of every step: bytes a step
};

/// Sums over the ONNX nodes that a row stands for.
struct Ideal {
  int64_t macs = 0, bytes_read = 0, bytes_weights = 0, bytes_written = 0;
};

/// What runs as one: a layer with all that it absorbed, a reorder or a copy.
struct PlanRow {
  std::string name, op, kernel;
  std::vector<std::string> nodes;  ///< absorbed ONNX nodes, its own first
  std::vector<int> origins;        ///< rows of the estimate
  DType dtype = DType::f32;
  int threads = 1;
  int first_step = 0, step_count = 0;
  Ideal ideal;
  Planned planned;
  Gap gap;
  /// Where data decide how much the row runs (Loop, If): the gap term of executed − planned. Else empty, and both are
  /// equal.
  std::string varies;
  std::vector<Shape> input_shapes, output_shapes;
  std::string layouts;   ///< "plain→channels_last"
  bool on_host = false;  ///< its steps are plain loops, none a kernel of the plan's instruction set
};

struct PlannedStep {
  std::unique_ptr<Step> step;
  int row = 0;
  bool parallel = false;
};

struct PlanInput {
  std::string name;
  TensorType type;
  BufferId buffer = -1;
  int time_axis = kNoTimeAxis;  ///< of a streamed plan
  bool bound_by_value = false;  ///< its value is part of the plan; nobody reads the buffer
};

struct PlanOutput {
  std::string name;
  TensorType type;
  BufferId buffer = -1;
  int time_axis = kNoTimeAxis;  ///< of a streamed plan; without one, what the last step leaves is the result
};

struct PlanOptions {
  Isa isa = Isa::scalar;
  int threads = 1;
  size_t max_memory = size_t{2} << 30;
  bool rewrite = true;
  bool stream = false;                  ///< plan one time step instead of whole sequences
  int64_t max_trips = kDefaultMaxWork;  ///< of all loops in one run
};

struct Plan {
  Isa isa = Isa::scalar;
  int threads = 1;
  bool parallel = false;  ///< some step runs on several threads
  std::vector<BufferInfo> buffers;
  std::vector<PlanInput> inputs;
  std::vector<PlanOutput> outputs;
  std::vector<PlanRow> rows;
  std::vector<PlannedStep> steps;
  Estimate estimate;                 ///< of the graph before rewriting, of whole sequences
  std::optional<Timeline> timeline;  ///< of a streamed plan, which runs one time step
  size_t arena_bytes = 0;
  size_t weights_bytes = 0;
  size_t state_bytes = 0;
  int64_t max_trips = kDefaultMaxWork;
};

/// Rewrites the graph by the registry's rules, chooses layouts and kernels, packs weights and lays out the arena.
/// Throws Error(limit) where buffers would exceed max_memory.
std::shared_ptr<const Plan> make_plan(TypedGraph graph, std::span<const RewriteRule> rules, const PlanOptions& options);

}  // namespace tally
