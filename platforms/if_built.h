#pragma once
// TALLY_IF_BUILT(name, code): `code` where this build holds the instruction set, which it then announces as
// TALLY_HAS_ISA_<name>=1; else nothing. Pasted to "TALLY_BUILT_", the argument becomes TALLY_BUILT_1, whose comma
// shifts TALLY_CODE into the second place, or stays an unknown name.
#define TALLY_BUILT_1 ,
#define TALLY_SECOND(first, second, ...) second
#define TALLY_PICK(...) TALLY_SECOND(__VA_ARGS__)
#define TALLY_CODE(...) __VA_ARGS__
#define TALLY_NO_CODE(...)
#define TALLY_JOIN(a, b) a##b
#define TALLY_CHOOSE(has) TALLY_PICK(TALLY_JOIN(TALLY_BUILT_, has) TALLY_CODE, TALLY_NO_CODE, )
#define TALLY_IF_BUILT(name, code) TALLY_CHOOSE(TALLY_HAS_ISA_##name)(code)
