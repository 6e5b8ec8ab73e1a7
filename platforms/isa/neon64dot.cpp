// Dot products (Cortex-A55, A75, A76, Neoverse N1 and later): int8 takes four products a 32-bit lane (SDOT).
#include "tally/platforms/kernels/dot.h"
#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/neon64_arch.h"
#include "tally/platforms/kernels/peak.h"

namespace tally::isa_neon64 {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

template <class Policy>
KernelTable make_table() {
  KernelTable t = isa_neon64::table(Policy::kCounts);
  t.isa = Isa::TALLY_ISA_NAME;
  fill_gemm_geometry<Arch>(t.geometry);
  t.gemm[static_cast<int>(Num::i8)] = &gemm<Arch, Num::i8, Policy>;
  t.dot[static_cast<int>(Num::i8)] = &dot<Arch, Num::i8, Policy>;
  t.mac_peak[static_cast<int>(Num::i8)] = &mac_peak<Arch, Num::i8>;
  return t;
}

const KernelTable& table(bool counted) {
  static const KernelTable counted_table = make_table<Counted>();
  static const KernelTable uncounted_table = make_table<Uncounted>();
  return counted ? counted_table : uncounted_table;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
