// Transposed convolution as ordinary ones: the outputs of one phase (those that are a stride apart along every axis)
// meet the same taps, and their inputs lie side by side.
#include "tally/layers/conv_methods.h"
#include "tally/layers/conv_transpose_methods.h"
#include "tally/layers/host_step.h"
#include "tally/layers/part_preparation.h"

namespace tally {

namespace {

/// More steps than this cost more than the lanes that they fill.
constexpr int64_t kMaxSteps = 256;

/// Which outputs an ordinary convolution makes, and of which taps.
struct Part {
  std::array<Phase, 3> phases;
  ConvShape shape;
  OutputGrid grid;

  int64_t weights() const { return shape.M * shape.depth(); }
};

/// Plane `oz` of a phase alone, since planes of Y need not lie at the distance that the kernel walks.
Phase plane_of(Phase phase, int64_t oz, int64_t stride) {
  phase.first += oz * stride;
  phase.window.pad_begin -= oz;
  phase.window.out = 1;
  return phase;
}

Part part_of(const TransposeShape& s, const std::array<Phase, 3>& phases) {
  Part part;
  part.phases = phases;
  ConvShape& shape = part.shape;
  shape.N = s.N;
  shape.M = s.M;
  shape.G = s.G;
  bool taps = true;
  for (size_t d = 0; d < 3; ++d) {
    part.grid.extents[d] = s.axes[d].out;
    part.grid.first[d] = phases[d].first;
    part.grid.step[d] = s.axes[d].stride;
    shape.axis(d, 3) = phases[d].window;
    taps = taps && phases[d].window.kernel > 0;
  }
  shape.C = s.C;
  if (!taps) {  // nothing but bias: no channels, whatever the window
    shape.C = 0;
    for (size_t d = 0; d < 3; ++d) shape.axis(d, 3).kernel = 1;
  }
  return part;
}

/// All of them, or none where there would be too many.
std::vector<Part> parts_of(const TransposeShape& s) {
  std::vector<Part> parts;
  const TapWalk walks[] = {TapWalk(s.axes[0]), TapWalk(s.axes[1]), TapWalk(s.axes[2])};
  const double steps = static_cast<double>(s.axes[0].out) * static_cast<double>(walks[1].phases()) *
                       static_cast<double>(walks[2].phases());
  if (steps > kMaxSteps) return parts;
  for (int64_t pz = 0; pz < walks[0].phases(); ++pz) {
    const Phase z = walks[0].phase(pz);
    for (int64_t oz = 0; oz < z.window.out; ++oz)
      for (int64_t py = 0; py < walks[1].phases(); ++py)
        for (int64_t px = 0; px < walks[2].phases(); ++px)
          parts.push_back(part_of(s, {plane_of(z, oz, s.axes[0].stride), walks[1].phase(py), walks[2].phase(px)}));
  }
  return parts;
}

/// Tap t of a phase among the taps of an axis.
int64_t tap_at(const Phase& phase, const TransposeAxis& axis, int64_t t) {
  return phase.first_tap + (phase.window.kernel - 1 - t) * TapWalk(axis).tap_step();
}

/// to[m, c, t…] = from[c of m's group, m mod M/G, tap of t…]: W as an ordinary convolution has it.
void turn_weights(const TransposeShape& s, const Part& part, const float* from, float* to) {
  if (part.shape.C == 0) return;
  const WindowAxis &z = part.shape.z, &y = part.shape.y, &x = part.shape.x;
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t c = 0; c < s.group_inputs(); ++c) {
      const int64_t channel = m / s.group_outputs() * s.group_inputs() + c;
      const float* taps = from + (channel * s.group_outputs() + m % s.group_outputs()) * s.taps();
      for (int64_t tz = 0; tz < z.kernel; ++tz)
        for (int64_t ty = 0; ty < y.kernel; ++ty)
          for (int64_t tx = 0; tx < x.kernel; ++tx)
            *to++ = taps[(tap_at(part.phases[0], s.axes[0], tz) * s.axes[1].kernel +
                          tap_at(part.phases[1], s.axes[1], ty)) *
                             s.axes[2].kernel +
                         tap_at(part.phases[2], s.axes[2], tx)];
    }
}

ConvTask conv_task(const TransposeTask& task, const Part& part, Operands in) {
  return {part.shape, {false, task.epilogue}, in, false, part.grid};
}

/// Weights of a part, as they lie after a step that turns them before every run.
BufferId add_turning_step(const TransposeTask& task, const Part& part, Preparation& preparation) {
  const int64_t bytes = part.weights() * int64_t{sizeof(float)};
  const BufferId turned = preparation.add_scratch(bytes);
  if (bytes == 0) return turned;
  auto run = [s = task.shape, part, bytes](const std::vector<std::byte*>& p, int64_t, int64_t, Tally* tally) noexcept {
    turn_weights(s, part, reinterpret_cast<const float*>(p[0]), reinterpret_cast<float*>(p[1]));
    if (!tally) return;
    tally->bytes_loaded += bytes;
    tally->bytes_stored += bytes;
  };
  Planned planned;
  planned.loaded_activations = planned.tally.bytes_loaded = bytes;
  planned.stored_scratch = planned.tally.bytes_stored = bytes;
  add_host_step(preparation, {preparation.input(ConvTranspose::kW).buffer, turned}, planned,
                kHostCyclesPerElement * static_cast<double>(part.weights()), std::move(run));
  return turned;
}

void add_part(const TransposeTask& task, const Part& part, const Candidate& candidate, Preparation& preparation) {
  const Operand& w = task.in[ConvTranspose::kW];
  const Shape shape = {part.shape.M, part.shape.group_inputs(), part.shape.z.kernel, part.shape.y.kernel,
                       part.shape.x.kernel};
  Tensor turned;
  PartOperand weights;
  weights.operand = {DType::f32, shape, nullptr, w.name, true};
  if (w.constant) {
    turned = Tensor(DType::f32, shape);
    turn_weights(task.shape, part, w.constant->values<float>().data(), reinterpret_cast<float*>(turned.mutable_data()));
    weights.operand.constant = &turned;
  } else {
    weights.scratch = add_turning_step(task, part, preparation);
  }
  std::vector<PartOperand> operands = {{task.in[ConvTranspose::kX], ConvTranspose::kX, -1}, weights};
  if (task.has_bias()) operands.push_back({task.in[ConvTranspose::kB], ConvTranspose::kB, -1});
  PartPreparation whole(preparation, std::move(operands), preparation.outputs()[0], -1);
  prepare_conv_gemm(conv_task(task, part, whole.inputs()), candidate, whole);
}

}  // namespace

void list_transpose_phases(const TransposeTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  if (task.in[ConvTranspose::kX].dtype != DType::f32) return;
  std::vector<Candidate> all;
  for (const Part& part : parts_of(task.shape)) {
    std::vector<Candidate> ways;
    list_conv_gemm(conv_task(task, part, task.in), context, ways);
    if (all.empty()) {
      all = ways;
      if (all.empty()) return;
      continue;
    }
    if (ways.size() != all.size()) return;  // some tables would not fit
    for (size_t i = 0; i < ways.size(); ++i) {
      if (ways[i].inputs != all[i].inputs || ways[i].outputs != all[i].outputs) return;
      all[i].cycles += ways[i].cycles;
    }
  }
  list.insert(list.end(), all.begin(), all.end());
}

void prepare_transpose_phases(const TransposeTask& task, const Candidate& candidate, Preparation& preparation) {
  const std::vector<Part> parts = parts_of(task.shape);
  Candidate one = candidate;
  one.cycles /= static_cast<double>(parts.size());
  for (const Part& part : parts) add_part(task, part, one, preparation);
}

}  // namespace tally
