#include "tally/platforms/kernels/planned_pool.h"

#include "tally/platforms/kernels/planned_window.h"

namespace tally {
namespace {

/// Elements that one planar map loads. Windows that tile it, or the one that covers it, read every element they hold
/// once. Else each output reads its taps, but at stride 2 a vector of n whole windows reads 2n − 1 elements a tap.
int64_t planar_loads(const PoolArgs& a, const PlannedAxis& rows, const PlannedAxis& columns, int64_t lanes) {
  const bool inside = a.pt == 0 && a.pl == 0 && (a.oh - 1) * a.sh + a.kh <= a.h && (a.ow - 1) * a.sw + a.kw <= a.w;
  const bool plain = inside && a.dh == 1 && a.dw == 1;
  if (plain && a.kh == 2 && a.kw == 2 && a.sh == 2 && a.sw == 2) return 4 * int64_t{a.oh} * a.ow;
  if (plain && a.oh == 1 && a.ow == 1 && a.kh == a.h && a.kw == a.w) return int64_t{a.h} * a.w;
  int64_t row = columns.taps_inside();
  if (a.sw == 2) row += a.kw * (columns.whole_windows() - divide_up(columns.whole_windows(), lanes));
  return rows.taps_inside() * row;
}

}  // namespace

Planned planned_pool(const PoolArgs& args, const Geometry& geometry) {
  Planned p;
  const PlannedAxis rows{args.oh, args.kh, args.sh, args.dh, args.pt, args.h};
  const PlannedAxis columns{args.ow, args.kw, args.sw, args.dw, args.pl, args.w};
  const int64_t maps = int64_t{args.images} * args.channels;
  const int64_t map_loads = args.channels_last ? rows.taps_inside() * columns.taps_inside()
                                               : planar_loads(args, rows, columns, geometry.lanes);
  p.loaded_activations = 4 * maps * map_loads;
  p.stored_outputs = 4 * maps * args.oh * args.ow;
  p.tally.bytes_loaded = p.loaded_activations;
  p.tally.bytes_stored = p.stored_outputs;
  return p;
}

}  // namespace tally
