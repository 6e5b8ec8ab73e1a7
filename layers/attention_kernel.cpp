// Attention by the kernel that streams over keys, which then touch memory once a block of queries.
#include <algorithm>
#include <cmath>

#include "tally/layers/attention_methods.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_attention.h"

namespace tally {

AttentionTask::MaskStrides AttentionTask::mask_strides() const {
  Shape mask = in[Attention::kMask].shape;
  const Shape wanted = {x.B, x.H, x.N, x.M};
  if (spec.merged_mask && mask.size() == 3 && mask[0] == x.B * x.H) mask = {x.B, x.H, mask[1], mask[2]};
  const auto refuse = [&] {
    fail(label, text("attn_mask of shape ", to_string(mask)), text("must broadcast to ", to_string(wanted)));
  };
  if (mask.size() > 4) refuse();
  MaskStrides strides;
  int64_t* const stride[] = {&strides.batch, &strides.head, &strides.row, &strides.key};
  int64_t step = 1;
  for (size_t d = 0; d < mask.size(); ++d) {
    const size_t axis = 3 - d;
    const int64_t extent = mask[mask.size() - 1 - d];
    if (extent == wanted[axis] || (axis == 3 && spec.trailing_mask && extent < x.M)) {
      *stride[axis] = step;
    } else if (extent != 1) {
      refuse();
    }
    step *= extent;
  }
  strides.columns = mask.empty() || strides.key == 0 ? x.M : mask.back();
  return strides;
}

namespace {

/// True where the kernel can read the mask as it lies; else it is first brought into the form of a full float mask.
bool mask_as_it_lies(const AttentionTask& task) {
  if (task.has(Attention::kSeqLen)) return false;
  if (!task.has(Attention::kMask)) return true;
  const DType type = task.in[Attention::kMask].dtype;
  const AttentionTask::MaskStrides strides = task.mask_strides();
  return (type == DType::f32 || type == DType::boolean) && strides.columns == task.x.M &&
         (strides.key == 1 || task.x.M == 1);
}

/// The kernel's arguments with the mask's kind and strides.
AttentionArgs masked_arguments(const AttentionTask& task) {
  AttentionArgs args = task.has(Attention::kPastKey) ? kernel_arguments(task, Rows{}, Rows{}) : kernel_arguments(task);
  if (!mask_as_it_lies(task)) {
    const bool per_head = task.has(Attention::kMask) && task.mask_strides().head != 0;
    args.mask_kind = MaskKind::additive;
    args.mask_row = task.x.M;
    args.mask_head = per_head ? task.x.N * task.x.M : 0;
    args.mask_batch = (per_head ? task.x.H : 1) * task.x.N * task.x.M;
    if (task.has(Attention::kSeqLen)) args.causal = false;  // its frontier differs from batch to batch: in the mask
  } else if (task.has(Attention::kMask)) {
    const AttentionTask::MaskStrides strides = task.mask_strides();
    args.mask_kind = task.in[Attention::kMask].dtype == DType::boolean ? MaskKind::boolean : MaskKind::additive;
    args.mask_batch = strides.batch;
    args.mask_head = strides.head;
    args.mask_row = strides.row;
  }
  return args;
}

/// Writes a float mask [B, 1 or H, N, M] that joins attn_mask, what lies beyond its columns, nonpad_kv_seqlen and the
/// causal frontier that moves with it. Returns its buffer.
BufferId build_mask(const AttentionTask& task, const AttentionArgs& args, Preparation& p) {
  const AttentionExtents x = task.x;
  const bool masked = task.has(Attention::kMask), counted = task.has(Attention::kSeqLen);
  const int64_t heads = args.mask_head != 0 ? x.H : 1, elements = x.B * heads * x.N * x.M;
  const BufferId target = p.add_scratch(4 * elements);
  const AttentionTask::MaskStrides strides = masked ? task.mask_strides() : AttentionTask::MaskStrides{0, 0, 0, 0, x.M};
  const bool causal = counted && task.spec.causal, past = task.has(Attention::kPastKey);
  const int64_t mask_bytes =
      masked ? bits_of(task.in[Attention::kMask].dtype) / 8 * x.B * heads * x.N * std::min(strides.columns, x.M) : 0;
  const int64_t count_bytes = counted ? 8 * x.B : 0;
  const bool constant = masked && task.in[Attention::kMask].constant != nullptr;
  const auto add = [&](auto read) {
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      auto* to = reinterpret_cast<float*>(at[2]);
      for (int64_t b = 0; b < x.B; ++b) {
        const int64_t keys = counted ? reinterpret_cast<const int64_t*>(at[1])[b] : x.M;
        const int64_t offset = past ? x.P : keys - x.N;
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t i = 0; i < x.N; ++i)
            for (int64_t j = 0; j < x.M; ++j) {
              const bool seen = j < keys && j < strides.columns && (!causal || j - i <= offset);
              const int64_t index = b * strides.batch + h * strides.head + i * strides.row + j * strides.key;
              *to++ = !seen ? -INFINITY : masked ? read(at[0], index) : 0.0f;
            }
      }
      if (!tally) return;
      tally->bytes_loaded += mask_bytes + count_bytes;
      tally->bytes_stored += 4 * elements;
    };
    Planned planned = host_planned(constant ? count_bytes : mask_bytes + count_bytes, constant ? mask_bytes : 0, 0);
    planned.stored_scratch = planned.tally.bytes_stored = 4 * elements;
    add_host_step(
        p, {masked ? p.input(Attention::kMask).buffer : -1, counted ? p.input(Attention::kSeqLen).buffer : -1, target},
        planned, kHostCyclesPerElement * static_cast<double>(elements), run);
  };
  if (!masked || task.in[Attention::kMask].dtype == DType::boolean) {
    add([](const std::byte* mask, int64_t i) noexcept { return mask[i] != std::byte{0} ? 0.0f : -INFINITY; });
  } else {
    with_number_type(task.in[Attention::kMask].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      add([](const std::byte* mask, int64_t i) noexcept {
        return static_cast<float>(to_sum(reinterpret_cast<const T*>(mask)[i]));
      });
    });
  }
  return target;
}

}  // namespace

HeadView view_of_operand(const AttentionTask& task, const HeadView& own) {
  const bool flat = task.in[Attention::kQ].shape.size() == 3 && task.spec.q.layout == HeadLayout::apart;
  return flat ? HeadView(HeadLayout::interleaved) : own;
}

AttentionArgs kernel_arguments(const AttentionTask& task) {
  const auto rows = [&](int input, const HeadView& own) {
    return Rows{-1, view_of_operand(task, own), task.in[static_cast<size_t>(input)].shape};
  };
  return kernel_arguments(task, rows(Attention::kK, task.spec.k), rows(Attention::kV, task.spec.v));
}

AttentionArgs kernel_arguments(const AttentionTask& task, const Rows& k, const Rows& v) {
  const AttentionExtents& x = task.x;
  AttentionArgs args;
  args.batch = x.B;
  args.q_heads = x.H;
  args.kv_heads = x.G;
  args.queries = x.d + x.e == 0 ? 0 : x.N;  // without elements any number of queries and keys takes no room
  args.keys = x.M;
  args.d = x.d;
  args.e = x.e;
  const auto set = [](const HeadStrides& s, int64_t& batch, int64_t& head, int64_t& row) {
    batch = s.batch;
    head = s.head;
    row = s.row;
  };
  const HeadView q = view_of_operand(task, task.spec.q), y = view_of_operand(task, task.spec.y);
  set(head_strides(q, task.in[Attention::kQ].shape, {x.B, x.H, x.N, x.d}), args.q_batch, args.q_head, args.q_row);
  set(head_strides(k.view, k.shape, {x.B, x.G, x.M, x.d}), args.k_batch, args.k_head, args.k_row);
  set(head_strides(v.view, v.shape, {x.B, x.G, x.M, x.e}), args.v_batch, args.v_head, args.v_row);
  set(head_strides(y, {}, {x.B, x.H, x.N, x.e}), args.y_batch, args.y_head, args.y_row);
  args.scale = static_cast<float>(task.scale);
  args.softcap = static_cast<float>(task.spec.softcap);
  args.causal = task.spec.causal;
  args.causal_offset = x.P;
  return args;
}

bool attention_kernel_serves(const AttentionTask& task) {
  return task.in[Attention::kQ].dtype == DType::f32 && task.in[Attention::kV].dtype == DType::f32 &&
         !task.wants(Attention::kQk) && !task.spec.double_softmax;
}

void list_attention_kernel(const AttentionTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  const Geometry& g = context.kernels->geometry;
  if (!attention_kernel_serves(task)) return;
  AttentionArgs args = masked_arguments(task);
  if (!plan_attention(args, g)) return;
  const double cycles = planned_cycles(g, planned_attention(args, g), kStepCycles);
  list.push_back(uniform_candidate(args.block_queries > 0 ? "attention" : "attention_rows", task.in.size(),
                                   task.out.size(), Layout::plain, Layout::plain, cycles));
}

Rows concatenated_rows(const AttentionTask& task, int input, int past, int output, Preparation& p) {
  const AttentionExtents& x = task.x;
  const int64_t width = input == Attention::kK ? x.d : x.e;
  const int64_t bytes = bits_of(task.in[static_cast<size_t>(input)].dtype) / 8;
  const HeadView view = view_of_operand(task, input == Attention::kK ? task.spec.k : task.spec.v);
  const Shape& shape = task.in[static_cast<size_t>(input)].shape;
  const BufferId source = p.input(input).buffer;
  const bool constant = task.in[static_cast<size_t>(input)].constant != nullptr;
  const bool has_past = task.has(past);
  if (!has_past && !task.wants(output)) return {source, view, shape, constant};
  const bool wanted = task.wants(output);
  const BufferId target = wanted ? p.output(output).buffer : p.add_scratch(bytes * x.B * x.G * x.M * width);
  const auto copy = [&](CopyEnd from, const HeadView& from_view, const Shape& from_shape, int64_t rows, int64_t first) {
    const HeadStrides a = head_strides(from_view, from_shape, {x.B, x.G, rows, width});
    const CopyArgs args =
        copy_args({{x.B, a.batch, x.G * x.M * width}, {x.G, a.head, x.M * width}, {rows, a.row, width}, {width, 1, 1}},
                  bytes, task.label);
    add_copy_step(p, args, from, {target, first * width});
  };
  if (has_past) {
    const Operand& old = task.in[static_cast<size_t>(past)];
    copy({p.input(past).buffer, 0, old.constant != nullptr}, HeadLayout::apart, old.shape, x.P, 0);
  }
  copy({source, view.column, constant}, view, shape, x.new_keys(), x.P);
  // Without a past the rows can be read where they come from.
  return has_past ? Rows{target, HeadLayout::apart, {}, false} : Rows{source, view, shape, constant};
}

void prepare_attention_kernel(const AttentionTask& task, const Candidate& candidate, Preparation& p) {
  const Geometry& g = p.geometry();
  const Rows k = concatenated_rows(task, Attention::kK, Attention::kPastKey, Attention::kPresentKey, p);
  const Rows v = concatenated_rows(task, Attention::kV, Attention::kPastValue, Attention::kPresentValue, p);
  AttentionArgs args = masked_arguments(task);
  const bool own_mask = args.mask_kind != MaskKind::none && !mask_as_it_lies(task);
  BufferId mask = -1;
  if (own_mask) {
    mask = build_mask(task, args, p);
  } else if (args.mask_kind != MaskKind::none) {
    mask = p.input(Attention::kMask).buffer;
  }
  plan_attention(args, g);
  AttentionLoads loads;
  Planned planned = planned_attention(args, g, &loads);
  const auto move = [&](bool moves, int64_t bytes, int64_t Planned::*part) {
    if (!moves) return;
    planned.loaded_activations -= bytes;
    planned.*part += bytes;
  };
  move(task.in[Attention::kQ].constant != nullptr, loads.q, &Planned::loaded_weights);
  move(k.constant, loads.k, &Planned::loaded_weights);
  move(v.constant, loads.v, &Planned::loaded_weights);
  move(own_mask, loads.mask, &Planned::loaded_scratch);
  move(mask >= 0 && !own_mask && task.in[Attention::kMask].constant, loads.mask, &Planned::loaded_weights);
  constexpr int64_t kFloat = sizeof(float);
  std::vector<PointerBinding> pointers = {
      {offsetof(AttentionArgs, q), p.input(Attention::kQ).buffer, kFloat * task.spec.q.column},
      {offsetof(AttentionArgs, k), k.buffer, kFloat * k.view.column},
      {offsetof(AttentionArgs, v), v.buffer, kFloat * v.view.column},
      {offsetof(AttentionArgs, y), p.output(Attention::kY).buffer}};
  if (mask >= 0) pointers.push_back({offsetof(AttentionArgs, mask), mask});
  p.add_kernel<[](const KernelTable& t) { return t.attention; }>(args, std::move(pointers), planned, candidate.cycles);
}

}  // namespace tally
