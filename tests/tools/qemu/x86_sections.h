// Markers and the section macro of the x86-64 test programs: (%0) is the input, (%1) the output, (%2) the mask.
#ifndef TALLY_X86_SECTIONS_H
#define TALLY_X86_SECTIONS_H

#include "marked_sections.h"

#define SECTION(NAME, ASSEMBLY)                                                                     \
  static void NAME(const void* from, void* to, const void* lane_mask) {                             \
    __asm__ volatile("nopl 0x0B0E0001(%%rax)\n\t" ASSEMBLY "\n\tnopl 0x0B0E0002(%%rax)"             \
                     :                                                                              \
                     : "r"(from), "r"(to), "r"(lane_mask)                                           \
                     : "rax", "rcx", "rsi", "rdi", "xmm0", "xmm1", "xmm2", "xmm3", "memory", "cc"); \
  }
// COUNT times the assembly; two integer instructions an iteration and one in front are not the judge's business.
#define LOOP(COUNT, ASSEMBLY) "mov $" #COUNT ", %%ecx\n1:\n\t" ASSEMBLY "\n\tdec %%ecx\n\tjnz 1b\n\t"

#endif
