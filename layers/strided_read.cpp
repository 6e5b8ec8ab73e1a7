#include "tally/layers/strided_read.h"

#include <algorithm>

namespace tally {

namespace {

/// Digits of extent 1 gone; neighbours that continue each other one.
Digits normalised(const Digits& digits) {
  Digits result;
  for (const Digit& digit : digits) {
    if (digit.extent == 1) continue;
    if (!result.empty() && digit.stride != 0 && result.back().stride == digit.extent * digit.stride) {
      result.back() = {result.back().extent * digit.extent, digit.stride};
    } else {
      result.push_back(digit);
    }
  }
  return result;
}

/// The loop that steps by no more than `stride`; null where there is none.
const MoveLoop* loop_under(const std::vector<MoveLoop>& loops, int64_t stride) {
  const auto at = std::find_if(loops.begin(), loops.end(), [&](const MoveLoop& l) { return l.to <= stride; });
  return at == loops.end() ? nullptr : &*at;
}

/// A digit cut at the ends of loops. `reach[l]`: the largest index that loop l meets so far.
std::optional<Digits> moved(Digit digit, const std::vector<MoveLoop>& loops, std::vector<int64_t>& reach) {
  if (digit.stride == 0) return Digits{digit};
  Digits result;  // the least significant first
  while (digit.extent > 1) {
    const MoveLoop* loop = loop_under(loops, digit.stride);
    if (!loop || digit.stride % loop->to != 0) return {};
    const int64_t step = digit.stride / loop->to;
    int64_t here = digit.extent;
    if ((digit.extent - 1) * step >= loop->size) {
      if (loop->size % step != 0 || digit.extent % (loop->size / step) != 0) return {};
      here = loop->size / step;
      if (here < 2) return {};
    }
    reach[static_cast<size_t>(loop - loops.data())] += (here - 1) * step;
    result.push_back({here, step * loop->from});
    digit = {digit.extent / here, digit.stride * here};
  }
  std::reverse(result.begin(), result.end());
  return result;
}

/// The loops of a move that makes the whole of one dense tensor, from its side or from the other's.
std::vector<MoveLoop> loops_of(const Move& move, bool forward) {
  std::vector<MoveLoop> loops;
  for (const CopyLoop& l : move.loops)
    loops.push_back(forward ? MoveLoop{l.size, l.x_stride, l.y_stride} : MoveLoop{l.size, l.y_stride, l.x_stride});
  return loops;
}

}  // namespace

StridedRead StridedRead::of(const Shape& shape) {
  StridedRead read;
  const Shape strides = row_major_strides(shape);
  for (size_t d = 0; d < shape.size(); ++d) read.indices.push_back(normalised({{shape[d], strides[d]}}));
  return read;
}

StridedRead joined(StridedRead read, size_t first, size_t second) {
  Digits& digits = read.indices[first];
  digits.insert(digits.end(), read.indices[second].begin(), read.indices[second].end());
  digits = normalised(digits);
  read.indices.erase(read.indices.begin() + static_cast<std::ptrdiff_t>(second));
  return read;
}

std::optional<std::pair<Digits, Digits>> cut_digits(const Digits& digits, int64_t low) {
  std::pair<Digits, Digits> parts{digits, {}};
  Digits& high = parts.first;
  while (low > 1) {
    if (high.empty()) return {};
    const Digit last = high.back();
    high.pop_back();
    if (last.extent <= low) {
      if (low % last.extent != 0) return {};
      parts.second.insert(parts.second.begin(), last);
      low /= last.extent;
      continue;
    }
    if (last.extent % low != 0) return {};
    high.push_back({last.extent / low, last.stride * low});
    parts.second.insert(parts.second.begin(), {low, last.stride});
    low = 1;
  }
  parts.first = normalised(parts.first);
  parts.second = normalised(parts.second);
  return parts;
}

std::optional<StridedRead> moved(const StridedRead& read, std::vector<MoveLoop> loops, int64_t from_offset) {
  std::erase_if(loops, [](const MoveLoop& l) { return l.size == 1; });
  std::stable_sort(loops.begin(), loops.end(), [](const MoveLoop& a, const MoveLoop& b) { return a.to > b.to; });
  int64_t next = 1;  // the loops must tile the tensor
  for (size_t l = loops.size(); l-- > 0;) {
    if (loops[l].to != next || loops[l].size < 1) return {};
    next *= loops[l].size;
  }
  StridedRead result;
  result.offset = from_offset;
  std::vector<int64_t> reach(loops.size(), 0);
  int64_t offset = read.offset;
  for (size_t l = 0; l < loops.size(); ++l) {
    reach[l] = offset / loops[l].to;
    offset %= loops[l].to;
    result.offset += reach[l] * loops[l].from;
  }
  for (const Digits& index : read.indices) {
    Digits all;
    for (const Digit& digit : index) {
      const std::optional<Digits> parts = moved(digit, loops, reach);
      if (!parts) return {};
      all.insert(all.end(), parts->begin(), parts->end());
    }
    result.indices.push_back(normalised(all));
  }
  // Indices that together run over the end of a loop would carry into the next.
  for (size_t l = 0; l < loops.size(); ++l)
    if (reach[l] >= loops[l].size) return {};
  return result;
}

std::optional<StridedRead> read_before(Rewriter& rewriter, ValueId value, const StridedRead& read) {
  const int index = rewriter.producer(value);
  if (index < 0) return {};
  const TypedNode& node = rewriter.node(index);
  if (node.layer->view_of() == 0) return read;
  const auto* layer = dynamic_cast<const MovesWhole*>(node.layer.get());
  if (!layer) return {};
  const auto output = std::find(node.outputs.begin(), node.outputs.end(), value) - node.outputs.begin();
  const std::optional<Move> move =
      layer->whole_move(rewriter.graph().operands(node), rewriter.graph().output_types(node), static_cast<int>(output));
  if (!move) return {};
  return moved(read, loops_of(*move, false), move->x_offset);
}

std::optional<StridedRead> read_after(Rewriter& rewriter, int index, const StridedRead& read) {
  const TypedNode& node = rewriter.node(index);
  if (node.layer->view_of() == 0) return read;
  const auto* layer = dynamic_cast<const MovesWhole*>(node.layer.get());
  if (!layer) return {};
  const std::optional<Move> move =
      layer->whole_move(rewriter.graph().operands(node), rewriter.graph().output_types(node), 0);
  if (!move || move->x_offset != 0) return {};
  return moved(read, loops_of(*move, true), 0);
}

}  // namespace tally
