// One lane of plain C++: the reference that every other ISA is compared with, and the way out on an unknown CPU.
#include "tally/platforms/kernels/scalar_arch.h"

namespace tally::TALLY_ISA_NAMESPACE {

using Arch = ScalarArch;

}  // namespace tally::TALLY_ISA_NAMESPACE

#include "tally/platforms/kernels/fill.h"
