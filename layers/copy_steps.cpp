#include "tally/layers/copy_steps.h"

#include <algorithm>
#include <cstdlib>

#include "tally/engine/reorder.h"
#include "tally/layers/placement.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

/// The loops in the order of y, those of one turn left out, neighbours that both sides walk alike made one.
std::vector<CopyLoop> merged_loops(std::vector<CopyLoop> loops) {
  std::erase_if(loops, [](const CopyLoop& l) { return l.size == 1; });
  std::stable_sort(loops.begin(), loops.end(),
                   [](const CopyLoop& a, const CopyLoop& b) { return a.y_stride > b.y_stride; });
  std::vector<CopyLoop> merged;
  for (const CopyLoop& loop : loops) {
    if (!merged.empty() && merged.back().x_stride == loop.x_stride * loop.size &&
        merged.back().y_stride == loop.y_stride * loop.size)
      merged.back() = {merged.back().size * loop.size, loop.x_stride, loop.y_stride};
    else
      merged.push_back(loop);
  }
  return merged;
}

CopyArgs args_of(const std::vector<CopyLoop>& merged, int64_t element_bytes) {
  CopyArgs args;
  args.element_bytes = static_cast<int32_t>(element_bytes);
  args.rank = static_cast<int32_t>(std::max<size_t>(merged.size(), 1));
  for (size_t d = 0; d < merged.size(); ++d) {
    args.size[d] = merged[d].size;
    args.x_stride[d] = merged[d].x_stride;
    args.y_stride[d] = merged[d].y_stride;
  }
  return args;
}

bool copies_nothing(const std::vector<CopyLoop>& loops) {
  return std::any_of(loops.begin(), loops.end(), [](const CopyLoop& l) { return l.size == 0; });
}

}  // namespace

CopyArgs copy_args(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who) {
  const bool empty = copies_nothing(loops);
  const std::vector<CopyLoop> merged = merged_loops(std::move(loops));
  if (merged.size() > kCopyRank)
    fail(who, text(merged.size(), " dimensions that move apart"), text("must be at most ", kCopyRank),
         ErrorCode::limit);
  CopyArgs args = args_of(merged, element_bytes);
  if (empty) args.size[0] = 0;
  return args;
}

std::vector<CopyPart> copy_parts(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who) {
  constexpr size_t kMaxParts = 4096;
  if (copies_nothing(loops)) return {};
  std::vector<CopyLoop> merged = merged_loops(std::move(loops));
  std::vector<CopyPart> parts(1);
  while (merged.size() > kCopyRank) {
    const auto least = std::min_element(merged.begin(), merged.end(),
                                        [](const CopyLoop& a, const CopyLoop& b) { return a.size < b.size; });
    if (static_cast<uint64_t>(least->size) > kMaxParts / parts.size())
      fail(who, text(merged.size(), " dimensions that move apart"),
           text("must be at most ", kCopyRank, ", or make at most ", kMaxParts, " copies"), ErrorCode::limit);
    std::vector<CopyPart> more;
    for (const CopyPart& part : parts)
      for (int64_t i = 0; i < least->size; ++i)
        more.push_back({{}, part.x_offset + i * least->x_stride, part.y_offset + i * least->y_stride});
    parts = std::move(more);
    merged.erase(least);
  }
  for (CopyPart& part : parts) part.args = args_of(merged, element_bytes);
  return parts;
}

std::vector<CopyPart> fill_parts(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who) {
  for (CopyLoop& loop : loops) loop.x_stride = 0;
  std::vector<CopyLoop> rows = merged_loops(std::move(loops));
  const int64_t run = !rows.empty() && rows.back().y_stride == 1 ? rows.back().size : 1;
  if (run > 1) rows.pop_back();
  std::vector<CopyPart> parts;
  const auto add = [&](int64_t first, int64_t count, int64_t width) {
    std::vector<CopyLoop> part = rows;
    part.push_back({count, 0, width});
    part.push_back({width, 1, 1});
    for (CopyPart& copy : copy_parts(std::move(part), element_bytes, who)) {
      copy.y_offset += first;
      parts.push_back(std::move(copy));
    }
  };
  const int64_t whole = run / kFillRow;
  if (whole > 0) add(0, whole, kFillRow);
  if (run % kFillRow != 0) add(whole * kFillRow, 1, run % kFillRow);
  return parts;
}

double copy_cycles(const CopyArgs& args, const Geometry& geometry) {
  const Planned planned = planned_copy(args);
  const int last = args.rank - 1;
  const bool adjacent = args.size[last] == 1 || (args.x_stride[last] == 1 && args.y_stride[last] == 1);
  if (adjacent) return planned_cycles(geometry, planned, kStepCycles);
  const double elements = static_cast<double>(planned.tally.bytes_stored) / args.element_bytes;
  // Adjacent elements on either side, though not along the same loop, make a transposition in register blocks.
  const auto adjacent_on = [&](const int64_t(&stride)[kCopyRank]) {
    for (int d = 0; d <= last; ++d)
      if (args.size[d] > 1 && stride[d] == 1) return true;
    return false;
  };
  const bool transposed = args.element_bytes == 4 && adjacent_on(args.x_stride) && adjacent_on(args.y_stride);
  return (transposed ? transposed_element_cycles(geometry) : kStridedElementCycles) * elements + kStepCycles;
}

void add_copy_step(Preparation& preparation, const CopyArgs& args, const CopyEnd& x, const CopyEnd& y) {
  Planned planned = planned_copy(args);
  if (planned.tally.bytes_stored == 0) return;
  if (x.constant) std::swap(planned.loaded_activations, planned.loaded_weights);
  preparation.add_kernel<[](const KernelTable& t) { return t.copy_nd; }>(
      args,
      {{offsetof(CopyArgs, x), x.buffer, x.offset * args.element_bytes},
       {offsetof(CopyArgs, y), y.buffer, y.offset * args.element_bytes}},
      planned, copy_cycles(args, preparation.geometry()));
}

int64_t whole_element_bytes(DType type, const std::string& who) {
  const int bits = bits_of(type);
  if (bits < 8) fail(who, text("element type ", name_of(type)), "must be one of whole bytes: it cannot be moved");
  return bits / 8;
}

}  // namespace tally
