// Half-precision multiply-accumulates into floats (FMLAL; Cortex-A510, A710, X2, Neoverse V1 and later): fp16
// matrices need no conversions, to the same bits. Arithmetic in fp16 itself (FMLA v.8h), which Cortex-A55 and A76
// have too, would round every sum to 11 bits: it is no faster way to the same result, but another number format,
// which Num does not have.
#include "tally/platforms/kernels/derived.h"
#include "tally/platforms/kernels/neon64_arch.h"

namespace tally::isa_neon64dot {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

const KernelTable& table(bool counted) {
  return derived_from<Arch, Num::f16, Replaced::matrices_and_dot_products>(isa_neon64dot::table, counted);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
