// Executes a multiply-accumulate for which there is no lane rule; the judge must say so instead of counting nothing.
#include "x86_sections.h"

SECTION(unknown_mac, "dpps $255, %%xmm0, %%xmm1")

static const MarkedSection kSections[] = {{"unknown_mac", "avx2", unknown_mac, 0, 0, 0, 0, 0}};

int main(int argc, char** argv) { return run_sections(argc, argv, kSections, 1); }
