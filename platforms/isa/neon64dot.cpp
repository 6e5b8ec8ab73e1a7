// Dot products (Cortex-A55, A75, A76, Neoverse N1 and later): int8 takes four products a 32-bit lane (SDOT).
#include "tally/platforms/kernels/derived.h"
#include "tally/platforms/kernels/neon64_arch.h"

namespace tally::isa_neon64 {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

const KernelTable& table(bool counted) {
  return derived_from<Arch, Num::i8, Replaced::matrices_and_dot_products>(isa_neon64::table, counted);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
