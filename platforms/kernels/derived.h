#pragma once
// An instruction set that has another's kernels but for those of one number format's products.
#include "tally/platforms/kernels/dot.h"
#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/peak.h"

namespace tally::TALLY_ISA_NAMESPACE {

enum class Replaced { matrices, matrices_and_dot_products };

template <class Arch, Num num, Replaced what, class Policy>
KernelTable derived_table(KernelTable t) {
  constexpr auto n = static_cast<size_t>(num);
  t.isa = Isa::TALLY_ISA_NAME;
  const int dot_step = t.geometry.dot_step[n];
  fill_gemm_geometry<Arch>(t.geometry);
  t.gemm[n] = &gemm<Arch, num, Policy>;
  t.mac_peak[n] = &mac_peak<Arch, num>;
  if constexpr (what == Replaced::matrices_and_dot_products)
    t.dot[n] = &dot<Arch, num, Policy>;
  else
    t.geometry.dot_step[n] = dot_step;
  return t;
}

/// The tables of the instruction set whose own tables are `base`'s, with `num`'s kernels of this Arch.
template <class Arch, Num num, Replaced what>
const KernelTable& derived_from(const KernelTable& (*base)(bool counted), bool counted) {
  static const KernelTable counted_table = derived_table<Arch, num, what, Counted>(base(true));
  static const KernelTable uncounted_table = derived_table<Arch, num, what, Uncounted>(base(false));
  return counted ? counted_table : uncounted_table;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
