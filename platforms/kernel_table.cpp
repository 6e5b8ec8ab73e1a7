#include "tally/platforms/kernel_table.h"

#include <cassert>
#include <cstdlib>

#include "tally/platforms/if_built.h"

// clang-format off
namespace tally {

#define TALLY_ISA(name, family, base, flags) \
  TALLY_IF_BUILT(name, namespace isa_##name { const KernelTable& table(bool counted); })
#include "tally/platforms/isa/list.inc"
#undef TALLY_ISA

const KernelTable& kernel_table(Isa isa, bool counted) {
  assert(usable(isa));
  switch (isa) {
#define TALLY_ISA(name, family, base, flags) \
  TALLY_IF_BUILT(name, case Isa::name: return isa_##name::table(counted);)
#include "tally/platforms/isa/list.inc"
#undef TALLY_ISA
    default: break;
  }
  // clang-format on
  std::abort();  // an ISA that this build does not hold
}

}  // namespace tally
