// Loop: a body run again and again, tensors carried from trip to trip, results of every trip stacked along a new first
// axis.
#include <algorithm>
#include <limits>

#include "tally/layers/control.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/loop_step.h"
#include "tally/layers/placement.h"

namespace tally {

namespace {

constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();
/// Carried constants up to this size are followed through the trips of a body that is typed for each.
constexpr int64_t kFollowedElements = 64;

class Loop final : public ControlLayer {
 public:
  explicit Loop(const Node& node) : ControlLayer(node), body_(required_body(node, "body")) {
    if (node.inputs.size() < 2) fail(label(), text(node.inputs.size(), " inputs"), "must be at least 2: M and cond");
    carried_ = node.inputs.size() - 2;
    if (body_->inputs.size() != carried_ + 2)
      fail(label(), text("a body of ", body_->inputs.size(), " inputs"),
           text("must have ", carried_ + 2, ": iteration, condition, ", carried_, " carried"));
    if (body_->outputs.size() < carried_ + 1)
      fail(label(), text("a body of ", body_->outputs.size(), " outputs"),
           text("must have at least ", carried_ + 1, ": condition, ", carried_, " carried"));
    stacked_ = body_->outputs.size() - 1 - carried_;
    if (node.outputs.size() > carried_ + stacked_)
      fail(label(), text(node.outputs.size(), " outputs"), text("must be at most ", carried_ + stacked_));
    for (size_t k = carried_; k < node.outputs.size(); ++k) stacks_wanted_ = stacks_wanted_ || !node.outputs[k].empty();
    const std::set<std::string> needed = names_needed(*body_);
    require_value_of_captures(needed);
    for (size_t i = 0; i < body_->inputs.size(); ++i) {
      if (i == 1 || !needed.contains(body_->inputs[i].name)) continue;
      by_trip_ = true;
      if (i >= 2) require_value(i);
    }
    if (stacks_wanted_ || by_trip_) require_value(0), require_value(1);
  }

  bool first_input_optional() const override { return true; }

  std::shared_ptr<const Layer> with_bodies(Operands in, BodyTyper& typer) const override {
    require_one(in[0], DType::i64, label(), "trip count");
    require_one(in[1], DType::boolean, label(), "condition");
    auto bound = std::make_shared<Loop>(*this);
    if (!(by_trip_ || !bound->type_once(in, typer))) return bound;
    bound->bodies_ = {};
    bound->type_each_trip(in, typer);
    return bound;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    return {uniform_candidate("loop", in.size(), out.size(), Layout::plain, Layout::plain, rough_cycles(bodies_))};
  }

  // The bodies' plans, trip by trip, and what moves around them: carried tensors in before and out after all trips, the
  // number of the trip in, conditions read, results stacked.
  void prepare(const Candidate&, Preparation& p) const override {
    check_trips(p, bodies_, label());
    auto step = std::make_unique<LoopStep>();
    step->label = label();
    step->turns = place_bodies(p, bodies_);
    step->trips = {most_trips_};
    if (!bodies_.varies.empty()) step->worth = step->worth_of_trip();
    if (p.inputs()[0].present && !known_integer(p.inputs()[0])) step->trip_count = {p.input(0).buffer, 0};
    if (p.inputs()[1].present && !known_condition(p.inputs()[1])) step->first_condition = {p.input(1).buffer, 0};
    place_fixed(*step, p);
    for (size_t k = 0; k < carried_; ++k) add_carried(*step, p, k);
    for (size_t k = 0; k < stacked_; ++k) add_result(*step, p, k);
    p.explain(step->plan_trips({trips_}), bodies_.varies);
    p.add_step(std::move(step));
  }

 private:
  /// Types the body once for all trips; false where that cannot be: shapes change, or the condition decides how long a
  /// wanted stack becomes.
  bool type_once(Operands in, BodyTyper& typer) {
    const bool on = true;
    const Tensor yes = Tensor::of<bool>(DType::boolean, {}, std::span(&on, 1));
    // Within a trip the condition holds, or there would be none.
    std::vector<BodyInput> inputs{{{DType::i64, {}}}, {{DType::boolean, {}}, &yes}};
    for (size_t k = 0; k < carried_; ++k) inputs.push_back({{in[2 + k].dtype, in[2 + k].shape}});
    bodies_.list.push_back(typer.type(*body_, inputs));
    Body& body = bodies_.list[0];
    for (size_t k = 0; k < carried_; ++k) {
      const Operand out = body.output(1 + k);
      require_type_kept(in[2 + k], out, k);
      if (out.shape != in[2 + k].shape) return false;
    }
    const Operand condition = body.output(0);
    require_one(condition, DType::boolean, label(), "condition of the body");
    count_trips(in, known_condition(condition));
    if (stacks_wanted_ && !bodies_.varies.empty()) return false;
    body.runs = trips_;
    for (size_t k = 0; k < carried_; ++k) types_.push_back({in[2 + k].dtype, in[2 + k].shape});
    add_stack_types(body, trips_);
    cost_of(body, trips_);
    return true;
  }

  /// Sets trips_ and most_trips_, or where data decide trips_ = 1 and what varies. `next`: the body's condition.
  void count_trips(Operands in, std::optional<bool> next) {
    const bool ignored = !in[1].present;  // ONNX: then the body's condition counts for nothing
    const std::optional<bool> first = ignored ? true : known_condition(in[1]);
    const std::optional<int64_t> count = in[0].present ? known_integer(in[0]) : kNoBound;
    most_trips_ = count.value_or(kNoBound);
    watched_ = !ignored && !next;
    if (!ignored && next == false) most_trips_ = std::min<int64_t>(most_trips_, 1);
    if (first == false) most_trips_ = 0;
    most_trips_ = std::max<int64_t>(most_trips_, 0);
    const bool known = first && count && (!watched_ || most_trips_ <= 1);
    trips_ = known || most_trips_ == 0 ? most_trips_ : 1;
    if (!known && most_trips_ > 0) bodies_.varies = "iterations";
  }

  /// Types the body for each trip, with the trip's number and what is known of carried values.
  void type_each_trip(Operands in, BodyTyper& typer) {
    const bool ignored = !in[1].present;
    const std::optional<bool> first = ignored ? true : known_condition(in[1]);
    const std::optional<int64_t> count = in[0].present ? known_integer(in[0]) : kNoBound;
    if (!count || !first)
      fail(label(), count ? "a condition that depends on data" : "a trip count that depends on data",
           text("must be constant where ",
                by_trip_ ? "the body's shapes depend on the trip" : "carried shapes change, or results are stacked"));
    bodies_.one_a_trip = true;
    std::vector<TensorType> types;
    std::vector<std::optional<Tensor>> values;
    for (size_t k = 0; k < carried_; ++k) {
      types.push_back({in[2 + k].dtype, in[2 + k].shape});
      values.push_back(followed(in[2 + k]));
    }
    bool going = *first && *count > 0;
    const bool none = !going;
    trips_ = 0;
    for (int64_t t = 0; going || bodies_.list.empty(); ++t) {
      if (t >= typer.max_trips())
        fail(label(), text("more than ", t, " trips"), text("must be at most ", typer.max_trips(), " (--max-macs)"),
             ErrorCode::limit);
      const Body body = type_trip(typer, t, types, values);
      if (!bodies_.list.empty()) require_same_stacks(body);
      bodies_.list.push_back(body);
      if (none) break;
      ++trips_;
      for (size_t k = 0; k < carried_; ++k) {
        const Operand out = body.output(1 + k);
        require_type_kept(in[2 + k], out, k);
        types[k] = {out.dtype, out.shape};
        values[k] = followed(out);
      }
      going = trips_ < *count && (ignored || goes_on(body));
    }
    if (none) bodies_.list[0].runs = 0;
    most_trips_ = trips_;
    types_ = std::move(types);
    add_stack_types(bodies_.list[0], trips_);
    cost_of(bodies_.list[0], trips_);
  }

  Body type_trip(BodyTyper& typer, int64_t t, const std::vector<TensorType>& types,
                 const std::vector<std::optional<Tensor>>& values) const {
    const bool on = true;
    const Tensor yes = Tensor::of<bool>(DType::boolean, {}, std::span(&on, 1));
    const Tensor number = Tensor::of<int64_t>(DType::i64, {}, std::span(&t, 1));
    std::vector<BodyInput> inputs{{{DType::i64, {}}, &number}, {{DType::boolean, {}}, &yes}};
    for (size_t k = 0; k < carried_; ++k) inputs.push_back({types[k], values[k] ? &*values[k] : nullptr});
    return typer.type(*body_, inputs);
  }

  bool goes_on(const Body& body) const {
    const Operand condition = body.output(0);
    require_one(condition, DType::boolean, label(), "condition of the body");
    const std::optional<bool> next = known_condition(condition);
    if (!next)
      fail(label(), "a condition that depends on data",
           text("must be constant where ",
                by_trip_ ? "the body's shapes depend on the trip" : "carried shapes change, or results are stacked"));
    return *next;
  }

  static std::optional<Tensor> followed(const Operand& value) {
    if (value.constant == nullptr || !value.constant->has_data()) return std::nullopt;
    if (element_count(value.shape) > kFollowedElements) return std::nullopt;
    return *value.constant;
  }

  void require_type_kept(const Operand& before, const Operand& after, size_t k) const {
    if (after.dtype != before.dtype)
      fail(label(), text("carried tensor ", k, " of type ", name_of(after.dtype), " after a trip"),
           text("must be ", name_of(before.dtype), " as before"));
  }

  void require_same_stacks(const Body& body) const {
    for (size_t k = 0; k < stacked_; ++k) {
      const Operand now = body.output(1 + carried_ + k), then = bodies_.list[0].output(1 + carried_ + k);
      if (now.dtype != then.dtype || now.shape != then.shape)
        fail(label(), text("result ", k, " of shape ", to_string(now.shape), " in a later trip"),
             text("must be ", to_string(then.shape), " as in the first to be stacked"));
    }
  }

  void add_stack_types(const Body& body, int64_t trips) {
    for (size_t k = 0; k < stacked_; ++k) {
      const Operand result = body.output(1 + carried_ + k);
      Shape shape{stacks_wanted_ ? trips : 0};
      shape.insert(shape.end(), result.shape.begin(), result.shape.end());
      types_.push_back({result.dtype, std::move(shape)});
    }
  }

  void cost_of(const Body& body, int64_t trips) {
    set_cost(estimate_graph(*body.graph).totals, "the body", trips);
    if (bodies_.varies.empty()) return;
    cost_.coverage = Coverage::unknown;
    cost_.reason = "its trip count depends on data; a trip is counted where a plan needs figures";
  }

  void place_fixed(LoopStep& step, Preparation& p) const {
    int64_t condition_bytes = 0;
    for (const PlacedBody& turn : step.turns)
      condition_bytes = std::max(condition_bytes, bytes_of_output(*turn.plan, 0));
    const BodyPlace iteration{p.add_scratch(sizeof(int64_t)), 0}, condition{p.add_scratch(condition_bytes), 0};
    const BodyPlace holds{p.add_scratch(1), 0};
    for (PlacedBody& turn : step.turns) {
      turn.place_input(0, iteration);
      turn.place_input(1, holds);
      turn.place_output(0, condition);
    }
    if (!bodies_.one_a_trip) step.iteration = iteration;
    if (watched_) step.condition = condition;
  }

  void add_carried(LoopStep& step, Preparation& p, size_t k) const {
    Carried c;
    const auto input = static_cast<int>(2 + k);
    c.first = {p.input(input).buffer, 0};
    c.first_bytes = bytes_of_input(*step.turns[0].plan, 2 + k);
    if (k < p.outputs().size() && p.output(static_cast<int>(k)).buffer >= 0) {
      c.last = {p.output(static_cast<int>(k)).buffer, 0};
      c.last_bytes = trips_ == 0 ? c.first_bytes : bytes_of_output(*step.turns.back().plan, 1 + k);
    }
    int64_t most = 0;
    for (const PlacedBody& turn : step.turns) {
      c.trip_bytes.push_back(bytes_of_output(*turn.plan, 1 + k));
      most = std::max({most, bytes_of_input(*turn.plan, 2 + k), bytes_of_output(*turn.plan, 1 + k)});
    }
    c.before = {p.add_scratch(most), 0};
    c.after = {p.add_scratch(most), 0};
    for (PlacedBody& turn : step.turns) {
      turn.place_input(2 + k, c.before);
      turn.place_output(1 + k, c.after);
    }
    step.carried.push_back(std::move(c));
  }

  void add_result(LoopStep& step, Preparation& p, size_t k) const {
    const size_t port = 1 + carried_ + k;
    const auto output = static_cast<int>(carried_ + k);
    const BodyPlace inside{p.add_scratch(bytes_of_output(*step.turns[0].plan, port)), 0};
    for (PlacedBody& turn : step.turns) turn.place_output(port, inside);
    if (carried_ + k >= p.outputs().size() || p.output(output).buffer < 0) return;
    const TensorType type = step.turns[0].plan->outputs[port].type;
    const int64_t elements = element_count(type.shape), element_bytes = whole_element_bytes(type.dtype, label());
    if (elements == 0) return;
    step.results.push_back({copy_args({{elements, 1, 1}}, element_bytes, label()),
                            {p.output(output).buffer, 0},
                            inside,
                            elements * element_bytes,
                            0});
  }

  std::shared_ptr<const Graph> body_;
  size_t carried_ = 0, stacked_ = 0;
  bool stacks_wanted_ = false;
  bool by_trip_ = false;  ///< the body's planning needs the trip's number or a carried value
  // For its operands.
  int64_t trips_ = 0;       ///< where data decide: 1, what one trip does
  int64_t most_trips_ = 0;  ///< bound, where data decide
  bool watched_ = false;    ///< the body's condition may end the loop
};

}  // namespace

std::unique_ptr<Layer> make_loop(const Node& node) { return std::make_unique<Loop>(node); }

}  // namespace tally
