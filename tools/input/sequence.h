#pragma once
// Runs a context step after step: slices of the inputs go in, slices of the outputs come out.
#include <map>
#include <string>
#include <vector>

#include "tally/engine/context.h"

namespace tally::tools {

/// Inputs and outputs of a context over time, one run a step. Two kinds:
///   a model loaded with `stream`: `inputs` and outputs are whole sequences along the plan's time axes;
///   any other (a model that is itself one step): `inputs` that have one dimension more than the model's hold step k in
///   element k of their first (or, where the model's first extent is 1, in element k of it: [N, …] for [1, …]), others
///   stay; outputs gain such a dimension.
class Sequence {
 public:
  /// `steps`: 0: as many as the inputs hold (1 where none holds any). `feeds`: `OUT=IN`: after each step the output's
  /// value becomes the input's. Throws Error where extents, names or types contradict, or a bounded timeline is
  /// shorter.
  Sequence(Context& context, std::map<std::string, Tensor> inputs, int64_t steps = 0,
           const std::vector<std::string>& feeds = {});

  int64_t steps() const { return steps_; }

  /// All steps from a reset context. Leaves the outputs of all.
  void run();
  /// The same in pieces: begin(), then for every step in order enter(k), a run of the context, leave(k).
  void begin();
  void enter(int64_t step);
  void leave(int64_t step);

  /// By position of the plan's outputs; those without a time axis as the last step left them.
  const std::vector<Tensor>& outputs() const { return outputs_; }

 private:
  /// A tensor over time beside the buffer that holds one step of it: `outer` pieces of `piece` bytes, of every
  /// `extent`.
  struct Track {
    size_t index = 0;  ///< among the plan's inputs or outputs
    int64_t outer = 1, extent = 1, piece = 0;
  };
  struct Feed {
    size_t output = 0, input = 0;
  };
  Track streamed(size_t index, const TensorType& step, int axis) const;
  Track stacked(size_t index, const TensorType& step) const;
  void follow_inputs(std::map<std::string, Tensor> inputs);
  int64_t steps_of(const PlanInput& input, const Tensor& whole) const;
  void make_outputs();
  void add_feed(const std::string& item);

  Context& context_;
  int64_t steps_ = 0;
  std::map<std::string, Tensor> fixed_;
  std::vector<Tensor> wholes_;  ///< of in_
  std::vector<Track> in_, out_;
  std::vector<Feed> feeds_;
  std::vector<Tensor> outputs_;
};

/// One inference on whole inputs: at once, or step by step where the model was loaded with `stream`. The outputs,
/// whole.
std::vector<Tensor> infer(Context& context, const std::map<std::string, Tensor>& inputs);

}  // namespace tally::tools
