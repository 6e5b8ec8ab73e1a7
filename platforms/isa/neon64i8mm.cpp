// int8 matrix multiplications (Cortex-A510, A710, X2, Neoverse V1 and later): SMMLA takes two rows by two columns,
// eight products a 32-bit lane. Dot products stay as they are: one row has nothing to pair with.
#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/neon64_arch.h"
#include "tally/platforms/kernels/peak.h"

namespace tally::isa_neon64fp16 {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

template <class Policy>
KernelTable make_table() {
  KernelTable t = isa_neon64fp16::table(Policy::kCounts);
  t.isa = Isa::TALLY_ISA_NAME;
  const int dot_step = t.geometry.dot_step[static_cast<int>(Num::i8)];
  fill_gemm_geometry<Arch>(t.geometry);
  t.geometry.dot_step[static_cast<int>(Num::i8)] = dot_step;
  t.gemm[static_cast<int>(Num::i8)] = &gemm<Arch, Num::i8, Policy>;
  t.mac_peak[static_cast<int>(Num::i8)] = &mac_peak<Arch, Num::i8>;
  return t;
}

const KernelTable& table(bool counted) {
  static const KernelTable counted_table = make_table<Counted>();
  static const KernelTable uncounted_table = make_table<Uncounted>();
  return counted ? counted_table : uncounted_table;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
