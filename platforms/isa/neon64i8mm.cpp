// int8 matrix multiplications (Cortex-A510, A710, X2, Neoverse V1 and later): SMMLA takes two rows by two columns,
// eight products a 32-bit lane. Dot products stay as they are: one row has nothing to pair with.
#include "tally/platforms/kernels/derived.h"
#include "tally/platforms/kernels/neon64_arch.h"

namespace tally::isa_neon64fp16 {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

const KernelTable& table(bool counted) {
  return derived_from<Arch, Num::i8, Replaced::matrices>(isa_neon64fp16::table, counted);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
