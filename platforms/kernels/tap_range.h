#pragma once
// Which taps of a window lie inside an image.
#include <stdint.h>

namespace tally::TALLY_ISA_NAMESPACE {

/// The window's rows or columns [begin, end).
struct TapRange {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
};

/// Of `taps` taps, `dilation` apart, the first at `first`: those in [0, extent).
inline TapRange taps_in(int first, int taps, int dilation, int extent) {
  // Most windows lie inside: two divisions a pixel cost more than pooling it.
  if (first >= 0 && first + int64_t{taps - 1} * dilation < extent) return {0, taps};
  TapRange t;
  t.begin = first < 0 ? (-first + dilation - 1) / dilation : 0;
  t.end = first < extent ? (extent - 1 - first) / dilation + 1 : 0;
  if (t.end > taps) t.end = taps;
  if (t.begin > t.end) t.begin = t.end;
  return t;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
