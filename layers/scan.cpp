// Scan: a body run once for every slice of its scanned inputs; states carried from trip to trip, results of every trip
// stacked. Opset 8 runs it for every element of a batch, whose sequences may differ in length.
#include <algorithm>

#include "tally/layers/control.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/loop_step.h"
#include "tally/layers/placement.h"

namespace tally {

namespace {

class Scan final : public ControlLayer {
 public:
  explicit Scan(const Node& node)
      : ControlLayer(node), body_(required_body(node, "body")), batched_(node.opset < 9), before_(batched_ ? 1 : 0) {
    const int64_t scanned = node.get_int("num_scan_inputs", 0);
    const auto inputs = static_cast<int64_t>(node.inputs.size()) - static_cast<int64_t>(before_);
    if (scanned < 1 || scanned > inputs)
      fail(label(), text("num_scan_inputs=", scanned), text("must be 1 to ", std::max<int64_t>(inputs, 1)));
    scanned_ = static_cast<size_t>(scanned);
    states_ = static_cast<size_t>(inputs) - scanned_;
    if (body_->inputs.size() != states_ + scanned_)
      fail(label(), text("a body of ", body_->inputs.size(), " inputs"),
           text("must have ", states_ + scanned_, ": ", states_, " states, ", scanned_, " slices"));
    if (body_->outputs.size() < states_ || body_->outputs.size() < node.outputs.size())
      fail(label(), text("a body of ", body_->outputs.size(), " outputs"),
           text("must have at least ", std::max(states_, node.outputs.size())));
    stacked_ = body_->outputs.size() - states_;
    input_reversed_ = flags(node, batched_ ? "directions" : "scan_input_directions", scanned_);
    output_reversed_ = flags(node, batched_ ? "" : "scan_output_directions", stacked_);
    input_axes_ = list(node, batched_ ? "" : "scan_input_axes", scanned_);
    output_axes_ = list(node, batched_ ? "" : "scan_output_axes", stacked_);
    require_value_of_captures(names_needed(*body_));
    if (batched_) require_value(0);
  }

  bool first_input_optional() const override { return batched_; }

  std::shared_ptr<const Layer> with_bodies(Operands in, BodyTyper& typer) const override {
    auto bound = std::make_shared<Scan>(*this);
    bound->find_trips(in);
    std::vector<BodyInput> inputs;
    for (size_t k = 0; k < states_; ++k) inputs.push_back({{in[before_ + k].dtype, element_shape(in[before_ + k])}});
    for (size_t k = 0; k < scanned_; ++k) {
      const Operand& x = in[before_ + states_ + k];
      Shape slice = element_shape(x);
      slice.erase(slice.begin() + bound->axis_of(x, k));
      inputs.push_back({{x.dtype, std::move(slice)}});
    }
    bound->bodies_.list.push_back(typer.type(*body_, inputs));
    Body& body = bound->bodies_.list[0];
    body.runs = 0;
    for (const int64_t trips : bound->trips_)
      if (__builtin_add_overflow(body.runs, trips, &body.runs))
        fail(label(), "trips in all", "must fit 63 bits", ErrorCode::limit);
    bound->set_types(in, body);
    bound->set_cost(estimate_graph(*body.graph).totals, "the body", body.runs);
    return bound;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    return {uniform_candidate("scan", in.size(), out.size(), Layout::plain, Layout::plain, rough_cycles(bodies_))};
  }

  // The body's plan, trip by trip, and what moves around it: states in before and out after all trips, slices in and
  // results out at every trip.
  void prepare(const Candidate&, Preparation& p) const override {
    check_trips(p, bodies_, label());
    auto step = std::make_unique<LoopStep>();
    step->label = label();
    step->turns = place_bodies(p, bodies_);
    step->trips = trips_;
    for (size_t k = 0; k < states_; ++k) add_state(*step, p, k);
    for (size_t k = 0; k < scanned_; ++k) add_slices(*step, p, k);
    for (size_t k = 0; k < stacked_; ++k) add_results(*step, p, k);
    p.explain(step->plan_trips(trips_), "");
    p.add_step(std::move(step));
  }

 private:
  std::vector<int64_t> list(const Node& node, const std::string& key, size_t size) const {
    std::vector<int64_t> values(size, 0);
    if (key.empty() || !node.has(key)) return values;
    values = node.get_ints(key);
    if (values.size() != size) fail(label(), text(key, " of ", values.size(), " values"), text("must have ", size));
    return values;
  }

  std::vector<bool> flags(const Node& node, const std::string& key, size_t size) const {
    std::vector<bool> reversed;
    for (const int64_t value : list(node, key, size)) {
      if (value != 0 && value != 1) fail(label(), text(key, " of ", value), "must be 0 (forward) or 1 (reverse)");
      reversed.push_back(value == 1);
    }
    return reversed;
  }

  /// Extents of one element of the batch.
  Shape element_shape(const Operand& x) const {
    if (!batched_) return x.shape;
    if (x.shape.empty()) fail(label(), "input '" + x.name + "' of rank 0", "must have a batch axis");
    return {x.shape.begin() + 1, x.shape.end()};
  }

  /// The scanned axis of scan input k, within one element of the batch.
  int64_t axis_of(const Operand& x, size_t k) const {
    const auto rank = static_cast<int64_t>(element_shape(x).size());
    if (rank == 0)
      fail(label(), "scan input '" + x.name + "' of shape " + to_string(x.shape), "must have an axis to scan");
    return normalize_axis(input_axes_[k], rank, label());
  }

  /// Sets length_ and trips_, which all operands must agree on.
  void find_trips(Operands in) {
    int64_t batch = 1;
    for (size_t i = before_; i < before_ + states_ + scanned_; ++i) {
      if (!in[i].present) fail(label(), text("input ", i, " absent"), "must be given");
      if (!batched_) continue;
      element_shape(in[i]);
      if (i == before_) batch = in[i].shape[0];
      if (in[i].shape[0] != batch)
        fail(label(), "input '" + in[i].name + text("' of batch ", in[i].shape[0]), text("must be ", batch));
    }
    for (size_t k = 0; k < scanned_; ++k) {
      const Operand& x = in[before_ + states_ + k];
      const int64_t extent = element_shape(x)[static_cast<size_t>(axis_of(x, k))];
      if (k == 0) length_ = extent;
      if (extent != length_)
        fail(label(), "scan input '" + x.name + text("' of length ", extent),
             text("must be ", length_, " like the first"));
    }
    if (!batched_ || !in[0].present) {
      if (length_ == 0) batch = std::min<int64_t>(batch, 1);
      constexpr int64_t kMostRuns = 1 << 20;
      if (batch > kMostRuns)
        fail(label(), text("batch ", batch), text("must be at most ", kMostRuns), ErrorCode::limit);
      trips_.assign(static_cast<size_t>(batch), length_);
      return;
    }
    trips_ = in[0].constant->to_int64();
    if (static_cast<int64_t>(trips_.size()) != batch)
      fail(label(), text(trips_.size(), " sequence lengths"), text("must be ", batch));
    for (const int64_t trips : trips_)
      if (trips < 0 || trips > length_) fail(label(), text("sequence length ", trips), text("must be 0 to ", length_));
  }

  void set_types(Operands in, const Body& body) {
    for (size_t k = 0; k < states_; ++k) {
      const Operand &state = in[before_ + k], after = body.output(k);
      if (after.dtype != state.dtype || after.shape != element_shape(state))
        fail(label(), text("state ", k, " of ", name_of(after.dtype), " ", to_string(after.shape), " after a trip"),
             text("must be ", name_of(state.dtype), " ", to_string(element_shape(state)), " as before"));
      types_.push_back({state.dtype, state.shape});
    }
    for (size_t k = 0; k < stacked_; ++k) {
      const Operand result = body.output(states_ + k);
      Shape shape = result.shape;
      const auto axis = normalize_axis(output_axes_[k], static_cast<int64_t>(shape.size()) + 1, label());
      shape.insert(shape.begin() + axis, length_);
      if (batched_) shape.insert(shape.begin(), in[before_].shape[0]);
      types_.push_back({result.dtype, std::move(shape)});
    }
  }

  void add_state(LoopStep& step, Preparation& p, size_t k) const {
    const int64_t bytes = bytes_of_input(*step.turns[0].plan, k);
    Carried c;
    c.first = {p.input(static_cast<int>(before_ + k)).buffer, 0};
    c.first_bytes = c.last_bytes = bytes;
    if (k < p.outputs().size()) c.last = {p.output(static_cast<int>(k)).buffer, 0};
    c.trip_bytes = {bytes};
    c.before = {p.add_scratch(bytes), 0};
    c.after = {p.add_scratch(bytes), 0};
    step.turns[0].place_input(k, c.before);
    step.turns[0].place_output(k, c.after);
    step.carried.push_back(std::move(c));
  }

  /// How a slice lies within a tensor whose axis of `length` is scanned: `outer` pieces of `inner` elements.
  struct Slicing {
    int64_t outer = 1, inner = 1;
  };
  static Slicing slicing(const Shape& slice, int64_t axis) {
    const auto at = slice.begin() + axis;
    return {element_count(Shape(slice.begin(), at)), element_count(Shape(at, slice.end()))};
  }

  TripCopy trip_copy(const Slicing& s, bool reversed, BodyPlace outside, BodyPlace inside, DType type, bool in) const {
    const int64_t bytes = whole_element_bytes(type, label()), apart = length_ * s.inner;
    TripCopy copy;
    copy.args = copy_args({{s.outer, in ? apart : s.inner, in ? s.inner : apart}, {s.inner, 1, 1}}, bytes, label());
    copy.outside = outside;
    copy.outside.offset = reversed ? (length_ - 1) * s.inner * bytes : 0;
    copy.inside = inside;
    copy.per_trip = (reversed ? -1 : 1) * s.inner * bytes;
    copy.per_run = s.outer * apart * bytes;
    return copy;
  }

  void add_slices(LoopStep& step, Preparation& p, size_t k) const {
    const size_t operand = before_ + states_ + k, port = states_ + k;
    const Plan& plan = *step.turns[0].plan;
    const BodyPlace inside{p.add_scratch(bytes_of_input(plan, port)), 0};
    for (PlacedBody& turn : step.turns) turn.place_input(port, inside);
    const TensorType& type = plan.inputs[port].type;
    if (element_count(type.shape) == 0 || length_ == 0) return;
    const Slicing s = slicing(type.shape, axis_of(p.inputs()[operand], k));
    const BodyPlace outside{p.input(static_cast<int>(operand)).buffer, 0};
    step.slices.push_back(trip_copy(s, input_reversed_[k], outside, inside, type.dtype, true));
  }

  void add_results(LoopStep& step, Preparation& p, size_t k) const {
    const size_t port = states_ + k;
    const Plan& plan = *step.turns[0].plan;
    const BodyPlace inside{p.add_scratch(bytes_of_output(plan, port)), 0};
    for (PlacedBody& turn : step.turns) turn.place_output(port, inside);
    if (port >= p.outputs().size() || p.output(static_cast<int>(port)).buffer < 0) return;
    const TensorType& type = plan.outputs[port].type;
    if (element_count(type.shape) == 0 || length_ == 0) return;
    const BodyPlace outside{p.output(static_cast<int>(port)).buffer, 0};
    const auto axis = normalize_axis(output_axes_[k], static_cast<int64_t>(type.shape.size()) + 1, label());
    step.results.push_back(
        trip_copy(slicing(type.shape, axis), output_reversed_[k], outside, inside, type.dtype, false));
    // What lies behind the end of a shorter sequence is zero.
    if (std::any_of(trips_.begin(), trips_.end(), [&](int64_t trips) { return trips < length_; }))
      step.cleared.emplace_back(outside, step.results.back().per_run * static_cast<int64_t>(trips_.size()));
  }

  std::shared_ptr<const Graph> body_;
  bool batched_;   ///< opset 8
  size_t before_;  ///< inputs before the states: sequence_lens
  size_t states_ = 0, scanned_ = 0, stacked_ = 0;
  std::vector<int64_t> input_axes_, output_axes_;
  std::vector<bool> input_reversed_, output_reversed_;
  // For its operands.
  int64_t length_ = 0;
  std::vector<int64_t> trips_;  ///< by element of the batch; one where there is none
};

}  // namespace

std::unique_ptr<Layer> make_scan(const Node& node) { return std::make_unique<Scan>(node); }

}  // namespace tally
