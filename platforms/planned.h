#pragma once
#include <cstdint>

#include "tally/platforms/tally.h"

namespace tally {

/// What a kernel will do on given arguments, from closed formulas that stand beside the kernel and share no code with
/// its counting. Law: the executed tally equals `tally`, field by field; and the parts add up to it (parts_add_up).
struct Planned {
  Tally tally;

  // tally.lane_macs − tally.macs, by cause; host_macs takes away.
  int64_t host_macs = 0;     ///< products of plain loops, which issue no lanes of an instruction set
  int64_t lane_padding = 0;  ///< lanes beyond the last channel or pixel
  int64_t k_padding = 0;     ///< depth rounded up to what one dot-product step takes
  int64_t tile_padding =
      0;  ///< rows or columns of a register tile computed and thrown away, products with padding zeros

  // Products of the definition that are not computed, because no result depends on them; no part of the tally.
  int64_t steps_skipped = 0;  ///< of time steps beyond a sequence's length
  int64_t gates_skipped = 0;  ///< of a gate that another determines

  // tally.bytes_loaded by operand.
  int64_t loaded_activations = 0;  ///< layer inputs (both of them for a binary operator)
  int64_t loaded_weights = 0;      ///< packed weights, scales, biases, column sums
  int64_t loaded_partials = 0;     ///< output read back between depth blocks
  int64_t loaded_residual = 0;     ///< operand of an absorbed Add
  int64_t loaded_state = 0;        ///< recurrent state and caches of the context
  int64_t loaded_scratch = 0;      ///< intermediate values in the arena that belong to the kernel

  // tally.bytes_stored by operand.
  int64_t stored_outputs = 0;
  int64_t stored_partials = 0;  ///< output stored before it is complete
  int64_t stored_state = 0;
  int64_t stored_scratch = 0;

  Planned& operator+=(const Planned& other);

  /// True if the named parts sum to the tally exactly.
  bool parts_add_up() const {
    return tally.lane_macs == tally.macs - host_macs + lane_padding + k_padding + tile_padding &&
           tally.bytes_loaded == loaded_activations + loaded_weights + loaded_partials + loaded_residual +
                                     loaded_state + loaded_scratch &&
           tally.bytes_stored == stored_outputs + stored_partials + stored_state + stored_scratch;
  }
};

/// Every part, for sums.
inline constexpr int64_t Planned::*kPlannedParts[] = {
    &Planned::host_macs,       &Planned::lane_padding,    &Planned::k_padding,          &Planned::tile_padding,
    &Planned::steps_skipped,   &Planned::gates_skipped,   &Planned::loaded_activations, &Planned::loaded_weights,
    &Planned::loaded_partials, &Planned::loaded_residual, &Planned::loaded_state,       &Planned::loaded_scratch,
    &Planned::stored_outputs,  &Planned::stored_partials, &Planned::stored_state,       &Planned::stored_scratch};

inline Planned& Planned::operator+=(const Planned& other) {
  tally += other.tally;
  for (auto part : kPlannedParts) this->*part += other.*part;
  return *this;
}

/// What `count` calls of the same kind will do.
inline Planned operator*(const Planned& one, int64_t count) {
  Planned all;
  for (auto part : kPlannedParts) all.*part = one.*part * count;
  all.tally = {one.tally.macs * count, one.tally.lane_macs * count, one.tally.lane_fma_other * count,
               one.tally.bytes_loaded * count, one.tally.bytes_stored * count};
  return all;
}

}  // namespace tally
