#include "tally/platforms/kernel_table.h"

#include <cassert>
#include <cstdlib>

// TALLY_IF_BUILT(name, code): `code` where the build defines TALLY_HAS_ISA_<name>=1, else nothing.
#define TALLY_BUILT_1 ,
#define TALLY_SECOND(first, second, ...) second
#define TALLY_PICK(...) TALLY_SECOND(__VA_ARGS__)
#define TALLY_CODE(...) __VA_ARGS__
#define TALLY_NO_CODE(...)
#define TALLY_JOIN(a, b) a##b
#define TALLY_CHOOSE(has) TALLY_PICK(TALLY_JOIN(TALLY_BUILT_, has) TALLY_CODE, TALLY_NO_CODE, )
#define TALLY_IF_BUILT(name, code) TALLY_CHOOSE(TALLY_HAS_ISA_##name)(code)

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
