#pragma once
// The interface through which the engine knows layers. A layer is made from a node's attributes, is immutable, and
// holds no operand: the engine hands it its operands' types (and the values that planning needs) at each question.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tally/engine/cost.h"
#include "tally/engine/error.h"
#include "tally/engine/graph.h"

namespace tally {

class Preparation;

/// How a tensor lies in memory. `plain`: dense row-major in ONNX's order (N C H W). `channels_last`: N, spatial…, C
/// with C padded to the ISA's channel_pad; only float32 tensors of rank >= 3.
enum class Layout : uint8_t { plain, channels_last };

/// What a layer is told of an operand.
struct Operand {
  DType dtype = DType::undefined;
  Shape shape;
  const Tensor* constant = nullptr;  ///< null where the value depends on inputs; may be without data (see Tensor)
  std::string name;
  bool present = true;  ///< false for an optional input that is absent
};
using Operands = std::span<const Operand>;

struct TensorType {
  DType dtype = DType::undefined;
  Shape shape;
};

/// One way to run a layer: a kernel with the layouts that it takes and gives.
struct Candidate {
  std::string kernel;          ///< as reports name it: "gemm", "pixel_conv", "depthwise", …
  std::vector<Layout> inputs;  ///< one an input (absent and constant ones: plain, ignored)
  std::vector<Layout> outputs;
  double cycles = 0;  ///< planned cost on one core, for choosing only
  int variant = 0;    ///< the layer's own note of its choice
};

/// What a layer is told when it names its candidates.
struct PlanContext {
  const struct KernelTable* kernels = nullptr;  ///< geometry and which kernels exist
};

class Layer;
class BodyTyper;
struct Bodies;

inline constexpr int kNoTimeAxis = -1;

/// A layer's part in a graph that is fed one time step at a time. Its operands then hold a single step: extent 1 along
/// their time axes.
struct StreamStep {
  std::string obstacle = {};                ///< why the layer cannot run step by step; empty where it can
  std::shared_ptr<const Layer> layer = {};  ///< what runs a step; null: the layer itself
  /// Of each output; kNoTimeAxis: what the whole run gives is what the last step gives.
  std::vector<int> time_axes = {};
  /// Operands that a step takes instead: a target shape with T = 1.
  std::vector<std::pair<int, Tensor>> constants = {};
  /// Constant operands that differ from step to step, with the axis along which: a step takes the slice at its
  /// position.
  std::vector<std::pair<int, int>> tables = {};
  /// (input, output): what a step gives there is what the next one takes here. State that the caller hands in and out.
  std::vector<std::pair<int, int>> carries = {};
  bool stateful = false;  ///< a step depends on those before it
  bool bounded = false;   ///< it keeps something of every step, and has room for as many as the whole sequence has
};

class Layer {
 public:
  /// `node`: kept for its name in errors and reports.
  explicit Layer(const Node& node) : label_(node.label()), op_(node.op) {}
  virtual ~Layer() = default;

  const std::string& label() const { return label_; }
  const std::string& op() const { return op_; }

  /// Types of the outputs, all extents known. Throws Error naming the node, the value found and the value required.
  virtual std::vector<TensorType> infer(Operands in) const = 0;

  /// May the first input be absent?
  virtual bool first_input_optional() const { return false; }

  /// True where planning needs the value of input i: shapes, axes, pads, repeats.
  virtual bool needs_value(int input) const {
    (void)input;
    return false;
  }

  /// What input i counts as when it is constant. Default: `free`, neither a parameter nor bytes.
  virtual Role role(int input, Operands in) const {
    (void)input;
    (void)in;
    return Role::free;
  }

  /// Bytes of input i that any way of running must read, or -1: all of them. Less for a table of which some rows are
  /// used, and for an operand that lends its type only.
  virtual int64_t bytes_used(int input, Operands in, std::span<const TensorType> out) const {
    (void)input;
    (void)in;
    (void)out;
    return -1;
  }

  /// Ideal cost, free of ISA; stands directly above prepare() in the layer's file.
  virtual Cost cost(Operands in, std::span<const TensorType> out) const = 0;

  /// Outputs that follow from the operands' types alone (Shape, Size), or nothing.
  virtual std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const {
    (void)in;
    (void)out;
    return {};
  }

  /// True where values_from_types() gives every output, so that no operand's value is ever needed for them.
  virtual bool follows_from_types() const { return false; }

  /// Input whose bytes the (single) output shares unchanged, or -1. Such a layer has no candidates and never runs.
  virtual int view_of() const { return -1; }
  /// A view that keeps the extents too (Identity, Dropout) passes any layout; others (Reshape) need plain.
  virtual bool view_keeps_layout() const { return false; }

  /// May the output overwrite input i, were it to die here with as many bytes?
  virtual bool in_place(int input) const {
    (void)input;
    return false;
  }

  /// A constant that is the same tensor as its input for counting (Transpose, Identity, Cast, DequantizeLinear).
  virtual bool keeps_identity() const { return false; }

  // What only layers with bodies (If, Loop, Scan) answer otherwise. Their operands are those of operand_names().

  /// The body that is all the layer does for these operands: its nodes then stand in the node's stead.
  virtual const Graph* taken_branch(Operands in) const {
    (void)in;
    return nullptr;
  }
  /// The layer for these operands, with its bodies typed; it alone is asked for more. Null for layers without bodies.
  virtual std::shared_ptr<const Layer> with_bodies(Operands in, BodyTyper& typer) const {
    (void)in;
    (void)typer;
    return nullptr;
  }
  /// Its typed bodies, or null. Their cost comes on top of cost().
  virtual const Bodies* bodies() const { return nullptr; }

  /// How the layer runs one time step of sequences. `time_axes`: of each input, the axis along which time runs, or
  /// kNoTimeAxis; `in` holds whole sequences. Default: what happens at one time would depend on others.
  virtual StreamStep stream(Operands in, std::span<const int> time_axes) const {
    (void)in;
    (void)time_axes;
    StreamStep step;
    step.obstacle = "takes several time steps at once";
    return step;
  }

  /// The ways to run, at least one of them all plain. Never called for views.
  virtual std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                            std::span<const TensorType> out) const = 0;

  /// Packs weights and adds the steps that run `candidate`.
  virtual void prepare(const Candidate& candidate, Preparation& preparation) const = 0;

 private:
  std::string label_, op_;
};

/// A rewrite rule: looks at node `index` of the graph and, where its pattern stands there, rewrites and returns true.
class Rewriter;
struct RewriteRule {
  bool (*apply)(Rewriter&, int index) = nullptr;
  int stage = 1;  ///< asked only where no rule of an earlier stage matches anywhere
};

/// What the engine needs of the layers floor.
struct Registry {
  /// The layer of a node; throws Error(model) naming the node where operator, opset or attributes are unsupported.
  std::unique_ptr<Layer> (*make)(const Node& node) = nullptr;
  std::span<const RewriteRule> rules;
  /// True where the operator exists for estimating or running; false: unknown.
  bool (*knows)(const Node& node) = nullptr;
};

}  // namespace tally
