#pragma once
// Small graphs, run through the whole engine on one instruction set, with what they counted.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tally/engine/context.h"
#include "tally/layers/registry.h"

namespace tally::test {

/// Deterministic values in [−1, 1), exact in float16 so that every element type holds the same numbers.
inline std::vector<double> random_values(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& v : values) v = (static_cast<double>(generator() % 2048) - 1024) / 1024;
  return values;
}

inline Tensor float_tensor(const Shape& shape, const std::vector<double>& values) {
  Tensor t(DType::f32, shape);
  for (size_t i = 0; i < values.size(); ++i) t.mutable_values<float>()[i] = static_cast<float>(values[i]);
  return t;
}

inline ValueInfo declare(std::string name, DType dtype, const Shape& shape) {
  std::vector<Dim> dims;
  for (int64_t extent : shape) dims.push_back({extent, ""});
  return {std::move(name), dtype, dims};
}

/// A graph with one output, its last node's first.
struct GraphMaker {
  Graph graph;
  std::map<std::string, Tensor> feeds;

  GraphMaker& input(const std::string& name, Tensor value) {
    graph.inputs.push_back(declare(name, value.dtype(), value.shape()));
    feeds[name] = std::move(value);
    return *this;
  }
  GraphMaker& constant(const std::string& name, Tensor value) {
    graph.initializers[name] = std::move(value);
    return *this;
  }
  GraphMaker& node(const std::string& op, std::vector<std::string> inputs, const std::string& output,
                   std::map<std::string, Attribute> attributes = {}, int opset = 17) {
    graph.nodes.push_back({output, op, "", "", std::move(inputs), {output}, std::move(attributes), opset});
    return *this;
  }
  GraphMaker& output(const std::string& name) {
    graph.outputs.push_back({name, DType::undefined, {}});
    return *this;
  }
};

struct Ran {
  std::shared_ptr<const Plan> plan;
  std::vector<Tally> tallies;  ///< by row
  std::vector<Tensor> outputs;

  Tally executed() const {
    Tally sum;
    for (const Tally& t : tallies) sum += t;
    return sum;
  }
};

/// Runs the graph twice, counting and not, and checks what must hold of every layer: same bits, executed == planned,
/// executed − ideal == Σ gap terms.
inline Ran run_graph(const GraphMaker& made, Isa isa, bool rewrite = true, const Registry& layers = registry()) {
  LoadOptions options;
  options.isa = isa;
  options.rewrite = rewrite;
  Context context(CompiledModel(made.graph, layers, options));
  context.feed(made.feeds);
  context.run();
  std::vector<Tensor> plain;
  for (size_t i = 0; i < made.graph.outputs.size(); ++i) plain.push_back(context.output_tensor(i));
  RunRecord record = context.make_record(true, false);
  context.run_recorded(record);
  Ran ran{context.shared_plan(), record.tallies, {}};
  for (size_t i = 0; i < made.graph.outputs.size(); ++i) {
    ran.outputs.push_back(context.output_tensor(i));
    CHECK((plain[i].bytes() == 0 || std::memcmp(plain[i].data(), ran.outputs[i].data(), plain[i].bytes()) == 0));
  }
  const auto sum = [](const GapTerms& terms) {
    int64_t total = 0;
    for (const auto& [name, value] : terms) total += value;
    return total;
  };
  for (size_t i = 0; i < ran.plan->rows.size(); ++i) {
    const PlanRow& row = ran.plan->rows[i];
    CAPTURE(row.name);
    CAPTURE(row.kernel);
    const Tally& t = ran.tallies[i];
    CHECK(row.planned.parts_add_up());
    const Tally& planned = row.planned.tally;
    CHECK(planned.lane_macs - row.ideal.macs == sum(row.gap.macs));
    CHECK(planned.bytes_loaded - row.ideal.bytes_read - row.ideal.bytes_weights == sum(row.gap.bytes_loaded));
    CHECK(planned.bytes_stored - row.ideal.bytes_written == sum(row.gap.bytes_stored));
    if (!row.varies.empty()) continue;
    CHECK(t.macs == planned.macs);
    CHECK(t.lane_macs == planned.lane_macs);
    CHECK(t.lane_fma_other == planned.lane_fma_other);
    CHECK(t.bytes_loaded == planned.bytes_loaded);
    CHECK(t.bytes_stored == planned.bytes_stored);
  }
  return ran;
}

/// A layer that knows one only of its candidates, so that tests reach those that a plan would not choose.
class OneCandidate final : public Layer {
 public:
  static inline size_t wanted = 0;  ///< which
  static inline size_t count = 0;   ///< how many there were

  OneCandidate(const Node& node, std::unique_ptr<Layer> layer) : Layer(node), layer_(std::move(layer)) {}
  std::vector<TensorType> infer(Operands in) const override { return layer_->infer(in); }
  bool needs_value(int input) const override { return layer_->needs_value(input); }
  Role role(int input, Operands in) const override { return layer_->role(input, in); }
  Cost cost(Operands in, std::span<const TensorType> out) const override { return layer_->cost(in, out); }
  int64_t bytes_used(int input, Operands in, std::span<const TensorType> out) const override {
    return layer_->bytes_used(input, in, out);
  }
  bool in_place(int input) const override { return layer_->in_place(input); }
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    const std::vector<Candidate> all = layer_->candidates(context, in, out);
    count = all.size();
    return {all[wanted % all.size()]};
  }
  void prepare(const Candidate& candidate, Preparation& preparation) const override {
    layer_->prepare(candidate, preparation);
  }

 private:
  std::unique_ptr<Layer> layer_;
};

/// Runs a graph of one layer in each of its candidates; `check(Ran)` after each.
template <class Check>
void run_every_candidate(const GraphMaker& made, Isa isa, Check check) {
  const Registry one{.make = [](const Node& node) -> std::unique_ptr<Layer> {
                       return std::make_unique<OneCandidate>(node, registry().make(node));
                     },
                     .rules = {},
                     .knows = registry().knows};
  OneCandidate::wanted = 0;
  do {
    check(run_graph(made, isa, true, one));
  } while (++OneCandidate::wanted < OneCandidate::count);
}

inline std::vector<Isa> usable_isas() {
  std::vector<Isa> list;
  for (Isa isa : built_isas())
    if (usable(isa)) list.push_back(isa);
  return list;
}

/// |found − expected| <= factor · 2^-24 · scale: a sum of K rounded products errs by at most about K half ULPs of
/// Σ|product|.
inline void check_close(const Tensor& found, const std::vector<double>& expected, const std::vector<double>& scale,
                        double factor) {
  const std::vector<double> values = found.to_double();
  REQUIRE(values.size() == expected.size());
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = std::abs(values[i] - expected[i]) / (factor * 0x1p-24 * scale[i] + 1e-30);
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  CAPTURE(at);
  if (!values.empty()) {
    CAPTURE(values[at]);
    CAPTURE(expected[at]);
    CHECK(worst <= 1);
  }
}

}  // namespace tally::test
