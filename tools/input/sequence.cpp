#include "tools/input/sequence.h"

#include <algorithm>
#include <cstring>

namespace tally::tools {

namespace {

int64_t bytes_in(const TensorType& type) { return bytes_of(type.dtype, element_count(type.shape)); }

/// Steps that lie one after the other in a first dimension of which a step holds one element, [N, …] for [1, …], with a
/// dimension of their own: [N, 1, …]. Anything else as it is.
Tensor unfolded(const Tensor& whole, const Shape& step) {
  Shape one = whole.shape();
  if (one.size() < 2 || step.empty() || step[0] != 1 || one[0] <= 1) return whole;
  one[0] = 1;
  if (one != step) return whole;
  one.insert(one.begin(), whole.shape()[0]);
  return whole.reshaped(one);
}

}  // namespace

Sequence::Sequence(Context& context, std::map<std::string, Tensor> inputs, int64_t steps,
                   const std::vector<std::string>& feeds)
    : context_(context), steps_(steps) {
  if (!context.bound() && context.model().options().stream)
    fail("model", "inputs of open shape", "must be bound (--dim NAME=N) to be streamed", ErrorCode::usage);
  follow_inputs(std::move(inputs));
  if (steps_ == 0) steps_ = 1;
  const std::optional<Timeline>& timeline = context.plan().timeline;
  if (timeline && timeline->bounded && steps_ > timeline->steps)
    fail("model", text(steps_, " time steps"),
         text("must be at most ", timeline->steps, ", as its tables and caches hold"));
  make_outputs();
  for (const std::string& item : feeds) add_feed(item);
  if (timeline)
    for (const auto& [output, input] : timeline->carries) feeds_.push_back({output, input});
}

/// Which inputs change from step to step, and by how much; the others are fed once.
void Sequence::follow_inputs(std::map<std::string, Tensor> inputs) {
  const bool streamed_plan = context_.bound() && context_.plan().timeline;
  if (!context_.bound()) {
    // A step model of open shape is bound by what one step of each input looks like.
    std::map<std::string, Tensor> first;
    for (const ValueInfo& declared : context_.model().graph().inputs) {
      const Tensor& whole = inputs.at(declared.name);
      const bool over_time = declared.shape && whole.shape().size() == declared.shape->size() + 1;
      const Shape step(whole.shape().begin() + (over_time ? 1 : 0), whole.shape().end());
      first.emplace(declared.name, over_time ? Tensor(whole.dtype(), step) : whole);
    }
    context_.feed(first);
  }
  const std::vector<PlanInput>& planned = context_.plan().inputs;
  for (size_t i = 0; i < planned.size(); ++i) {
    const auto given = inputs.find(planned[i].name);
    if (given == inputs.end()) continue;
    const Tensor whole = streamed_plan ? given->second : unfolded(given->second, planned[i].type.shape);
    const bool over_time =
        streamed_plan ? planned[i].time_axis != kNoTimeAxis : whole.shape().size() == planned[i].type.shape.size() + 1;
    if (!over_time) {
      fixed_.insert(*given);
      continue;
    }
    const int64_t held = steps_of(planned[i], whole);
    if (steps_ == 0) steps_ = held;
    if (steps_ > held)
      fail("input '" + planned[i].name + "'", text(held, " time steps"), text("must be at least ", steps_));
    in_.push_back(streamed_plan ? streamed(i, planned[i].type, planned[i].time_axis) : stacked(i, planned[i].type));
    in_.back().extent = held;
    wholes_.push_back(whole);
  }
}

/// Time steps that `whole` holds. Throws Error where another extent or the type is not the input's.
int64_t Sequence::steps_of(const PlanInput& input, const Tensor& whole) const {
  const std::string who = "input '" + input.name + "'";
  if (whole.dtype() != input.type.dtype)
    fail(who, text("dtype ", name_of(whole.dtype())), text("must be ", name_of(input.type.dtype)));
  const size_t axis = input.time_axis == kNoTimeAxis ? 0 : static_cast<size_t>(input.time_axis);
  Shape expected = input.type.shape;
  if (input.time_axis == kNoTimeAxis) expected.insert(expected.begin(), 1);
  if (whole.shape().size() == expected.size()) expected[axis] = whole.shape()[axis];
  if (whole.shape() != expected)
    fail(who, "shape " + to_string(whole.shape()), "must be " + to_string(expected) + " over time");
  return expected[axis];
}

Sequence::Track Sequence::streamed(size_t index, const TensorType& step, int axis) const {
  Track track{index, 1, steps_, bytes_in(step)};
  for (int d = 0; d < axis; ++d) track.outer *= step.shape[static_cast<size_t>(d)];
  if (track.outer > 0) track.piece /= track.outer;
  return track;
}

Sequence::Track Sequence::stacked(size_t index, const TensorType& step) const {
  return {index, 1, steps_, bytes_in(step)};
}

void Sequence::make_outputs() {
  const std::vector<PlanOutput>& planned = context_.plan().outputs;
  for (size_t k = 0; k < planned.size(); ++k) {
    TensorType whole = planned[k].type;
    if (context_.plan().timeline && planned[k].time_axis != kNoTimeAxis) {
      whole.shape[static_cast<size_t>(planned[k].time_axis)] = steps_;
      out_.push_back(streamed(k, planned[k].type, planned[k].time_axis));
    } else if (!context_.plan().timeline) {
      whole.shape.insert(whole.shape.begin(), steps_);
      out_.push_back(stacked(k, planned[k].type));
    }
    const size_t bytes = Tensor::without_data(whole.dtype, whole.shape).bytes();
    if (bytes > context_.model().options().max_memory)
      fail("output '" + planned[k].name + "'", text(bytes, " bytes over ", steps_, " steps"),
           text("must be at most ", context_.model().options().max_memory, " (--max-memory)"), ErrorCode::limit);
    outputs_.emplace_back(whole.dtype, whole.shape);
  }
}

/// Names may hold '=' themselves, so every one is tried.
void Sequence::add_feed(const std::string& item) {
  const std::vector<PlanInput>& inputs = context_.plan().inputs;
  const std::vector<PlanOutput>& outputs = context_.plan().outputs;
  for (size_t at = item.find('='); at != std::string::npos; at = item.find('=', at + 1)) {
    const auto out =
        std::find_if(outputs.begin(), outputs.end(), [&](const PlanOutput& o) { return o.name == item.substr(0, at); });
    const auto in =
        std::find_if(inputs.begin(), inputs.end(), [&](const PlanInput& i) { return i.name == item.substr(at + 1); });
    if (out == outputs.end() || in == inputs.end()) continue;
    if (out->type.dtype != in->type.dtype || out->type.shape != in->type.shape)
      fail("--feed", "'" + item + "': an output of shape " + to_string(out->type.shape),
           "must have the input's type and shape " + to_string(in->type.shape), ErrorCode::usage);
    feeds_.push_back({static_cast<size_t>(out - outputs.begin()), static_cast<size_t>(in - inputs.begin())});
    return;
  }
  fail("--feed", "'" + item + "'", "must be OUT=IN, an output and an input of the model", ErrorCode::usage);
}

void Sequence::begin() {
  context_.feed(fixed_);
  context_.reset();
}

void Sequence::enter(int64_t step) {
  for (size_t i = 0; i < in_.size(); ++i) {
    const Track& t = in_[i];
    std::byte* to = context_.input_data(t.index).data();
    const auto* from = static_cast<const std::byte*>(wholes_[i].data());
    for (int64_t o = 0; o < t.outer; ++o)
      std::memcpy(to + o * t.piece, from + (o * t.extent + step) * t.piece, static_cast<size_t>(t.piece));
  }
}

void Sequence::leave(int64_t step) {
  for (const Track& t : out_) {
    const std::byte* from = context_.output_data(t.index).data();
    auto* to = static_cast<std::byte*>(outputs_[t.index].mutable_data());
    for (int64_t o = 0; o < t.outer; ++o)
      std::memcpy(to + (o * t.extent + step) * t.piece, from + o * t.piece, static_cast<size_t>(t.piece));
  }
  for (const Feed& feed : feeds_) {
    const auto from = context_.output_data(feed.output);
    std::memcpy(context_.input_data(feed.input).data(), from.data(), from.size());
  }
  if (step + 1 == steps_)
    for (size_t k = 0; k < outputs_.size(); ++k)
      if (std::none_of(out_.begin(), out_.end(), [&](const Track& t) { return t.index == k; }))
        outputs_[k] = context_.output_tensor(k);
}

void Sequence::run() {
  begin();
  for (int64_t step = 0; step < steps_; ++step) {
    enter(step);
    context_.run();
    leave(step);
  }
}

std::vector<Tensor> infer(Context& context, const std::map<std::string, Tensor>& inputs) {
  std::vector<Tensor> outputs;
  if (context.model().options().stream) {
    Sequence sequence(context, inputs);
    sequence.run();
    context.require_complete();
    return sequence.outputs();
  }
  context.feed(inputs);
  context.reset();
  context.run();
  context.require_complete();
  for (size_t k = 0; k < context.plan().outputs.size(); ++k) outputs.push_back(context.output_tensor(k));
  return outputs;
}

}  // namespace tally::tools
