#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "tally/engine/fused_rows.h"
#include "tally/engine/graph.h"
#include "tally/engine/plan.h"

namespace tally {

/// How a model is loaded and planned.
struct LoadOptions {
  int threads = 1;                           ///< 1 … cores; results have the same bits for any number
  std::optional<Isa> isa = {};               ///< nothing: TALLY_ISA, or the best usable one
  std::map<std::string, int64_t> dims = {};  ///< symbolic dimensions
  size_t max_memory = size_t{2} << 30;       ///< bytes of weights, arena, inputs, outputs and computed constants
  /// MACs an inference; comparisons, other operations and output elements each as many; loop trips; all work on
  /// constants.
  int64_t max_macs = kDefaultMaxWork;
  bool weights = true;         ///< false: for estimates only, values of large weights are not read
  bool rewrite = true;         ///< false: no absorption; every node runs as it stands
  bool stream = false;         ///< plan one time step of a model made for whole sequences
  bool allow_unknown = false;  ///< estimates only: unknown operators become rows of unknown cost
};

/// A graph with a registry of layers and its plans, one a set of input shapes (and values of shape-carrying inputs).
/// Copies share all. Thread-safe; contexts on several threads may share one.
class CompiledModel {
 public:
  CompiledModel(Graph graph, const Registry& registry, LoadOptions options);

  const Graph& graph() const;
  const LoadOptions& options() const;
  Isa isa() const;
  /// Graph inputs whose values a plan depends on.
  const std::vector<std::string>& shape_carrying() const;

  /// True where the declared shapes (with the bound dims) suffice to plan.
  bool fully_declared() const;

  /// The plan for these inputs, made at first and then reused (the model keeps the eight latest, within max_memory).
  /// `shapes`: of inputs, where the declaration leaves any open; `values`: of shape-carrying inputs. `made`, where not
  /// null, becomes true where it had to be made. Throws Error.
  std::shared_ptr<const Plan> plan(const std::map<std::string, Shape>& shapes = {},
                                   const std::map<std::string, Tensor>& values = {}, bool* made = nullptr) const;

  /// Analytic costs; needs no weights' values, executes nothing.
  Estimate estimate(const std::map<std::string, Shape>& shapes = {},
                    const std::map<std::string, Tensor>& values = {}) const;

  /// The rows that would run, costs alone; as estimate().
  std::vector<FusedRow> fused(const std::map<std::string, Shape>& shapes = {},
                              const std::map<std::string, Tensor>& values = {}) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tally
