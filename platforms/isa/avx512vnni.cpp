// AVX-512 VNNI: the kernels of AVX-512 but for int8 matrices, whose multiply-accumulate takes four products a lane.
#include "tally/platforms/kernels/avx512_arch.h"
#include "tally/platforms/kernels/derived.h"

namespace tally::isa_avx512 {
const KernelTable& table(bool counted);
}

namespace tally::TALLY_ISA_NAMESPACE {

const KernelTable& table(bool counted) {
  return derived_from<Arch, Num::i8, Replaced::matrices>(isa_avx512::table, counted);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
