#include "tally/engine/plan.h"

#include <algorithm>
#include <set>

#include "tally/engine/gap.h"
#include "tally/engine/layout.h"
#include "tally/engine/plan_buffers.h"
#include "tally/engine/plan_row.h"
#include "tally/engine/reorder.h"
#include "tally/engine/rewrite.h"
#include "tally/engine/thread_choice.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

class Planner final : public Preparation {
 public:
  Planner(TypedGraph graph, std::span<const RewriteRule> rules, const PlanOptions& options)
      : graph_(std::move(graph)),
        rules_(rules),
        options_(options),
        kernels_(kernel_table(options.isa, false)),
        plan_(std::make_shared<Plan>()),
        buffers_(*plan_, graph_, options.max_memory) {
    plan_->isa = options.isa;
    plan_->threads = options.threads;
    plan_->max_trips = options.max_trips;
  }

  void set_estimate(Estimate estimate) { plan_->estimate = std::move(estimate); }
  /// Of a graph that runs one time step: what is ideal for its nodes.
  void set_timeline(Timeline timeline, Estimate step) {
    plan_->timeline = std::move(timeline);
    step_estimate_ = std::move(step);
  }

  std::shared_ptr<const Plan> run() {
    candidates_ = choose_candidates(graph_, kernels_);
    find_roots();
    place_inputs();
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      if (!graph_.nodes[i].dead) add_node(static_cast<int>(i));
    place_outputs();
    buffers_.lay_out();
    choose_threads(*plan_);
    return plan_;
  }

  // Preparation
  const KernelTable& kernels() const override { return kernels_; }
  Operands inputs() const override { return operands_; }
  std::span<const TensorType> outputs() const override { return types_; }

  Placement input(int i) override {
    const ValueId id = node_->inputs[static_cast<size_t>(i)];
    if (id == kAbsent) return {};
    const TypedValue& value = graph_.values[static_cast<size_t>(id)];
    if (value.constant) return {{value.dtype, value.shape}, Layout::plain, buffers_.constant(id), 0};
    const Layout layout = candidate_->inputs[static_cast<size_t>(i)];
    return placement(id, layout, placed_.at({id, layout}));
  }

  Placement output(int i) override {
    const ValueId id = node_->outputs[static_cast<size_t>(i)];
    if (id == kAbsent) return {};
    const Layout layout = candidate_->outputs[static_cast<size_t>(i)];
    return placement(id, layout, placed_.at({id, layout}));
  }

  BufferId add_weights(AlignedBuffer bytes, std::string name) override {
    auto owned = std::make_shared<AlignedBuffer>(std::move(bytes));
    BufferInfo info{std::move(name), BufferKind::weights, owned->size(), 0, owned, owned->data()};
    plan_->weights_bytes += info.bytes;
    buffers_.check_memory(plan_->weights_bytes);
    return buffers_.add(std::move(info));
  }

  BufferId add_scratch(int64_t bytes) override {
    buffers_.check_memory(static_cast<uint64_t>(bytes));
    return buffers_.add({node_->name + " scratch", BufferKind::arena, static_cast<size_t>(bytes), 0, nullptr, nullptr});
  }

  BufferId add_state(size_t bytes, std::string name, AlignedBuffer initial, size_t growth) override {
    BufferInfo info{std::move(name), BufferKind::state, bytes, 0, nullptr, nullptr};
    if (initial.size() > 0) {
      auto owned = std::make_shared<AlignedBuffer>(std::move(initial));
      info.data = owned->data();
      info.keep_alive = std::move(owned);
    }
    info.growth = growth;
    plan_->state_bytes += bytes;
    buffers_.check_memory(plan_->state_bytes);
    return buffers_.add(std::move(info));
  }

  std::shared_ptr<const Plan> plan_body(const TypedGraph& body) override {
    PlanOptions options = options_;
    options.threads = 1;
    options.stream = false;  // the graph around it already is of one step
    auto plan = make_plan(body, rules_, options);
    for (const PlanRow& row : plan->rows)
      if (body_varies_.empty()) body_varies_ = row.varies;
    return plan;
  }

  int64_t max_trips() const override { return options_.max_trips; }

  BufferId adopt(const BufferInfo& buffer) override {
    (buffer.kind == BufferKind::state ? plan_->state_bytes : plan_->weights_bytes) += buffer.bytes;
    buffers_.check_memory(uint64_t{plan_->weights_bytes} + plan_->state_bytes);
    return buffers_.add(buffer);
  }

  void explain(Gap gap, std::string varies) override {
    explained_ = std::move(gap);
    plan_->rows.back().varies = varies.empty() ? body_varies_ : std::move(varies);
  }

  void vary(std::string term) override { plan_->rows.back().varies = std::move(term); }

  void add_step(std::unique_ptr<Step> step) override {
    const int row = static_cast<int>(plan_->rows.size()) - 1;
    for (BufferId id : step->buffers()) buffers_.touch(id, row);
    PlanRow& into = plan_->rows.back();
    if (step->on_host()) {
      step->planned.host_macs = step->planned.tally.macs;
      step->planned.tally.lane_macs = 0;
    }
    into.on_host = step->on_host() && (into.step_count == 0 || into.on_host);
    into.planned += step->planned;
    ++into.step_count;
    plan_->steps.push_back({std::move(step), row, false});
  }

 private:
  using Place = std::pair<ValueId, Layout>;

  Placement placement(ValueId id, Layout layout, BufferId buffer) const {
    const TypedValue& value = graph_.values[static_cast<size_t>(id)];
    Placement p = expected_placement({value.dtype, value.shape}, layout, kernels_.geometry.channel_pad);
    p.buffer = buffer;
    return p;
  }

  /// Its bytes with the layout's padding; Error(limit) beyond the memory allowed.
  size_t stored_bytes(ValueId id, Layout layout) const {
    const Placement p = placement(id, layout, -1);
    const int64_t bytes = bytes_of(p.type.dtype, placed_elements(p));
    buffers_.check_memory(static_cast<uint64_t>(bytes));
    return static_cast<size_t>(bytes);
  }

  /// root_[v]: the value whose bytes v shares; uses_[root]: how often they are still to be read.
  void find_roots() {
    root_.resize(graph_.values.size());
    uses_.assign(graph_.values.size(), 0);
    for (size_t v = 0; v < root_.size(); ++v) root_[v] = static_cast<ValueId>(v);
    for (const TypedNode& node : graph_.nodes) {
      if (node.dead) continue;
      if (const int view = node.layer->view_of(); view >= 0) {
        root_[static_cast<size_t>(node.outputs[0])] =
            root_[static_cast<size_t>(node.inputs[static_cast<size_t>(view)])];
        continue;
      }
      for (ValueId id : node.inputs)
        if (id != kAbsent) ++uses_[static_cast<size_t>(root_[static_cast<size_t>(id)])];
    }
    for (ValueId id : graph_.outputs) ++uses_[static_cast<size_t>(root_[static_cast<size_t>(id)])];
  }

  void place_inputs() {
    for (ValueId id : graph_.inputs) {
      const TypedValue& value = graph_.values[static_cast<size_t>(id)];
      const BufferId buffer =
          buffers_.add({value.name, BufferKind::input, stored_bytes(id, Layout::plain), 0, nullptr, nullptr});
      const int axis = plan_->timeline ? plan_->timeline->input_axes[plan_->inputs.size()] : kNoTimeAxis;
      plan_->inputs.push_back({value.name, {value.dtype, value.shape}, buffer, axis, value.constant.has_value()});
      placed_[{id, Layout::plain}] = buffer;
    }
  }

  PlanRow& begin_row(PlanRow row) {
    row.first_step = static_cast<int>(plan_->steps.size());
    plan_->rows.push_back(std::move(row));
    return plan_->rows.back();
  }

  void add_node(int index) {
    const TypedNode& node = graph_.nodes[static_cast<size_t>(index)];
    const Candidate& candidate = candidates_[static_cast<size_t>(index)];
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (const ValueId id = node.inputs[k]; id != kAbsent && !graph_.values[static_cast<size_t>(id)].constant)
        ensure_placed(id, candidate.inputs[k]);
    if (const int view = node.layer->view_of(); view >= 0) {
      const Layout layout = candidate.inputs[static_cast<size_t>(view)];
      const ValueId from = node.inputs[static_cast<size_t>(view)];
      if (graph_.values[static_cast<size_t>(from)].constant) placed_[{from, layout}] = buffers_.constant(from);
      placed_[{node.outputs[0], candidate.outputs[0]}] = placed_.at({from, layout});
    }
    node_ = &node;
    candidate_ = &candidate;
    operands_ = graph_.operands(node);
    types_ = graph_.output_types(node);
    PlanRow row;
    row.name = node.name;
    row.op = node.op;
    row.kernel = candidate.kernel;
    row.origins = node.origins;
    describe(row, index);
    begin_row(std::move(row));
    if (node.layer->view_of() >= 0) {  // moves nothing, whatever it has absorbed
      plan_->rows.back().gap = explain_gap(plan_->rows.back(), {});
      return;
    }
    for (ValueId id : node.inputs)
      if (id != kAbsent) --uses_[static_cast<size_t>(root_[static_cast<size_t>(id)])];
    place_node_outputs();
    explained_.reset();
    body_varies_.clear();
    node.layer->prepare(candidate, *this);
    const int current = static_cast<int>(plan_->rows.size()) - 1;
    for (size_t k = 0; k < node.outputs.size(); ++k)
      if (node.outputs[k] != kAbsent) buffers_.touch(placed_.at({node.outputs[k], candidate.outputs[k]}), current);
    // A row that no ONNX node stands behind only moves data.
    if (node.origins.empty()) return finish_moving_row("time_slice");
    PlanRow& done = plan_->rows.back();
    done.gap = explained_ ? *explained_ : explain_gap(done, moved_bytes(node, operands_, types_, done.ideal));
  }

  void describe(PlanRow& row, int index) const {
    for (int origin : node_->origins) {
      const NodeEstimate& e = plan_->estimate.layers[static_cast<size_t>(origin)];
      row.nodes.push_back(e.name);
      if (!plan_->timeline) add_ideal(row.ideal, e);
    }
    if (plan_->timeline && !node_->origins.empty())
      add_ideal(row.ideal, step_estimate_.layers[static_cast<size_t>(index)]);
    describe_operands(row, *node_, *candidate_, operands_, types_);
  }

  void place_node_outputs() {
    bool reused = false;
    for (size_t k = 0; k < node_->outputs.size(); ++k) {
      const ValueId id = node_->outputs[k];
      if (id == kAbsent) continue;
      const Layout layout = candidate_->outputs[k];
      BufferId buffer = reused ? -1 : reusable_input(id, layout);
      reused = reused || buffer >= 0;
      if (buffer < 0)
        buffer = buffers_.add({graph_.values[static_cast<size_t>(id)].name, BufferKind::arena, stored_bytes(id, layout),
                               0, nullptr, nullptr});
      placed_[{id, layout}] = buffer;
    }
  }

  /// The buffer of an input that output `id` may overwrite, or -1: the root dies here, is the plan's own, and has as
  /// many bytes in the same layout.
  BufferId reusable_input(ValueId id, Layout layout) const {
    const TypedNode& node = *node_;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const ValueId in = node.inputs[k];
      if (in == kAbsent || !node.layer->in_place(static_cast<int>(k))) continue;
      const auto root = static_cast<size_t>(root_[static_cast<size_t>(in)]);
      if (graph_.values[static_cast<size_t>(in)].constant || uses_[root] > 0 || candidate_->inputs[k] != layout)
        continue;
      const BufferId buffer = placed_.at({in, layout});
      if (plan_->buffers[static_cast<size_t>(buffer)].kind != BufferKind::arena) continue;
      if (stored_bytes(in, layout) != stored_bytes(id, layout)) continue;
      bool read_otherwise = false;
      for (ValueId other : node.inputs)
        if (other != kAbsent && other != in && root_[static_cast<size_t>(other)] == static_cast<ValueId>(root) &&
            graph_.values[static_cast<size_t>(other)].shape != graph_.values[static_cast<size_t>(in)].shape)
          read_otherwise = true;
      if (!read_otherwise) return buffer;
    }
    return -1;
  }

  /// A reorder row where a value is wanted in a layout that nobody has made yet, unless its bytes are the same.
  void ensure_placed(ValueId id, Layout layout) {
    if (placed_.contains({id, layout})) return;
    const Layout from = layout == Layout::plain ? Layout::channels_last : Layout::plain;
    const auto have = placed_.find({id, from});
    if (have == placed_.end())
      fail("plan", "value '" + graph_.values[static_cast<size_t>(id)].name + "'", "must be placed before use",
           ErrorCode::internal);
    const BufferId source = have->second;
    const TypedValue& value = graph_.values[static_cast<size_t>(id)];
    if (lies_alike(value.shape, from, layout, kernels_.geometry.channel_pad)) {
      placed_[{id, layout}] = source;
      return;
    }
    const BufferId target =
        buffers_.add({value.name + " reordered", BufferKind::arena, stored_bytes(id, layout), 0, nullptr, nullptr});
    placed_[{id, layout}] = target;
    PlanRow row;
    row.name = "reorder " + value.name;
    row.op = "Reorder";
    row.kernel = "copy";
    row.dtype = value.dtype;
    row.input_shapes = row.output_shapes = {value.shape};
    row.layouts = layout == Layout::plain ? "channels_last→plain" : "plain→channels_last";
    begin_row(std::move(row));
    add_copy(reorder_args(value.shape, from, layout, kernels_.geometry.channel_pad), source, target,
             reorder_cycles(value.shape, kernels_.geometry));
    finish_moving_row("reorder");
  }

  void add_copy(const CopyArgs& args, BufferId source, BufferId target, double cycles) {
    add_kernel<[](const KernelTable& t) { return t.copy_nd; }>(
        args, {{offsetof(CopyArgs, x), source, 0}, {offsetof(CopyArgs, y), target, 0}}, planned_copy(args), cycles);
  }

  void finish_moving_row(const char* term) {
    PlanRow& row = plan_->rows.back();
    row.gap.bytes_loaded[term] = row.planned.tally.bytes_loaded;
    row.gap.bytes_stored[term] = row.planned.tally.bytes_stored;
  }

  /// Outputs get buffers of their own; those that are inputs, constants, views or duplicates are copied.
  void place_outputs() {
    std::set<BufferId> taken;
    for (size_t o = 0; o < graph_.outputs.size(); ++o) {
      const ValueId id = graph_.outputs[o];
      const TypedValue& value = graph_.values[static_cast<size_t>(id)];
      if (value.constant)
        placed_[{id, Layout::plain}] = buffers_.constant(id);
      else
        ensure_placed(id, Layout::plain);
      BufferId buffer = placed_.at({id, Layout::plain});
      BufferInfo& info = plan_->buffers[static_cast<size_t>(buffer)];
      if (info.kind == BufferKind::arena && taken.insert(buffer).second) {
        info.kind = BufferKind::output;
        info.name = graph_.output_names[o];
      } else {
        const BufferId target =
            buffers_.add({graph_.output_names[o], BufferKind::output, info.bytes, 0, nullptr, nullptr});
        PlanRow row;
        row.name = "copy " + graph_.output_names[o];
        row.op = "Copy";
        row.kernel = "copy";
        row.dtype = value.dtype;
        row.input_shapes = row.output_shapes = {value.shape};
        row.layouts = "plain→plain";
        begin_row(std::move(row));
        const auto bytes = static_cast<int64_t>(plan_->buffers[static_cast<size_t>(target)].bytes);
        if (bytes > 0) add_copy(byte_copy_args(bytes), buffer, target, static_cast<double>(bytes) / 16);
        finish_moving_row("output_copy");
        buffer = target;
      }
      const int axis = plan_->timeline ? plan_->timeline->output_axes[o] : kNoTimeAxis;
      plan_->outputs.push_back({graph_.output_names[o], {value.dtype, value.shape}, buffer, axis});
    }
  }

  TypedGraph graph_;
  std::span<const RewriteRule> rules_;
  PlanOptions options_;
  const KernelTable& kernels_;
  std::shared_ptr<Plan> plan_;
  PlanBuffers buffers_;
  Estimate step_estimate_;  ///< by node, of a streamed plan
  std::vector<Candidate> candidates_;
  std::vector<ValueId> root_;
  std::vector<int> uses_;
  std::map<Place, BufferId> placed_;
  // The node being prepared.
  const TypedNode* node_ = nullptr;
  const Candidate* candidate_ = nullptr;
  std::vector<Operand> operands_;
  std::vector<TensorType> types_;
  std::optional<Gap> explained_;  ///< by the node itself
  std::string body_varies_;       ///< of the first row that varies in the plans of its bodies
};

}  // namespace

std::shared_ptr<const Plan> make_plan(TypedGraph graph, std::span<const RewriteRule> rules,
                                      const PlanOptions& options) {
  Estimate estimate = estimate_graph(graph);
  if (options.rewrite) Rewriter(graph).run(rules);
  std::optional<Timeline> timeline;
  if (options.stream) timeline = stream_graph(graph);
  Estimate step;
  if (timeline) step = estimate_graph(graph);
  Planner planner(std::move(graph), rules, options);
  planner.set_estimate(std::move(estimate));
  if (timeline) planner.set_timeline(*std::move(timeline), std::move(step));
  return planner.run();
}

}  // namespace tally
