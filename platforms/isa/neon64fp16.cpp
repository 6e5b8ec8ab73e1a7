// Half-precision multiply-accumulates into floats (FMLAL; Cortex-A510, A710, X2, Neoverse V1 and later): fp16
// matrices need no conversions, to the same bits. Arithmetic in fp16 itself (FMLA v.8h), which Cortex-A55 and A76
// have too, would round every sum to 11 bits: it is no faster way to the same result, but another number format,
// which Num does not have.
#include "tally/platforms/kernels/dot.h"
#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/neon64_arch.h"
#include "tally/platforms/kernels/peak.h"

namespace tally::isa_neon64dot {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

template <class Policy>
KernelTable make_table() {
  KernelTable t = isa_neon64dot::table(Policy::kCounts);
  t.isa = Isa::TALLY_ISA_NAME;
  t.gemm[static_cast<int>(Num::f16)] = &gemm<Arch, Num::f16, Policy>;
  t.dot[static_cast<int>(Num::f16)] = &dot<Arch, Num::f16, Policy>;
  t.mac_peak[static_cast<int>(Num::f16)] = &mac_peak<Arch, Num::f16>;
  return t;
}

const KernelTable& table(bool counted) {
  static const KernelTable counted_table = make_table<Counted>();
  static const KernelTable uncounted_table = make_table<Uncounted>();
  return counted ? counted_table : uncounted_table;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
