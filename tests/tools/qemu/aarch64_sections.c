// Sections of aarch64 code, each with the counts that its assembly says. x0 (%0) is the input, %1 the output.
#include "marked_sections.h"

#define SECTION(NAME, ASSEMBLY)                                                                   \
  static void NAME(const void* from, void* to, const void* lane_mask) {                           \
    (void)lane_mask;                                                                              \
    __asm__ volatile(".arch armv8.2-a+fp16+dotprod+fp16fml+i8mm\n\torr xzr, xzr, x1\n\t" ASSEMBLY \
                     "\n\torr xzr, xzr, x2"                                                       \
                     :                                                                            \
                     : "r"(from), "r"(to)                                                         \
                     : "x9", "x10", "v0", "v1", "v2", "v3", "v4", "memory", "cc");                \
  }
#define LOOP(COUNT, ASSEMBLY) "mov w9, #" #COUNT "\n1:\n\t" ASSEMBLY "\n\tsubs w9, w9, #1\n\tb.ne 1b\n\t"

SECTION(fma_vector, LOOP(1000, "fmla v0.4s, v1.4s, v2.4s\n\tfmls v0.4s, v1.4s, v2.s[3]\n\tfmla v3.2s, v1.2s, v2.2s"))
SECTION(fma_scalar,
        LOOP(10, "fmadd s0, s1, s2, s3\n\tfnmsub s0, s1, s2, s3\n\tfmla s0, s1, v2.s[1]\n\tfmadd d0, d1, d2, d3"))
SECTION(fma_half,
        "fmla v0.8h, v1.8h, v2.8h\n\tfmadd h0, h1, h2, h3\n\tfmlal v0.4s, v1.4h, v2.4h\n\tfmla v0.2d, v1.2d, v2.2d")
SECTION(reciprocal,
        "frecpe v0.4s, v1.4s\n\tfrecps v0.4s, v1.4s, v2.4s\n\tfrsqrts v0.4s, v1.4s, v2.4s\n\tfmul v0.4s, v1.4s, v2.4s")
SECTION(scalar_mul, LOOP(20, "fmul s0, s1, s2\n\tfadd s3, s3, s0\n\tfmul v0.4s, v1.4s, v2.s[0]\n\tfnmul s0, s1, s2"))
SECTION(int_widening,
        "smull v0.8h, v1.8b, v2.8b\n\tsmlal2 v0.8h, v1.16b, v2.16b\n\tsadalp v3.4s, v0.8h\n\t"
        "smlal v0.4s, v1.4h, v2.h[2]\n\tumlsl2 v0.4s, v1.8h, v2.8h\n\tsmull v0.2d, v1.2s, v2.2s\n\t"
        "smull x9, w9, w9\n\tmadd x9, x9, x9, x9")
SECTION(int_same,
        "mul v0.8h, v1.8h, v2.8h\n\tmla v0.4s, v1.4s, v2.4s\n\tmul x9, x9, x9\n\tsqrdmulh v0.4s, v1.4s, v2.4s")
SECTION(int_dot, LOOP(6, "sdot v0.4s, v1.16b, v2.16b\n\tudot v0.2s, v1.8b, v2.4b[1]"))
SECTION(load_vector,
        LOOP(7, "ldr q0, [%0]\n\tldp q1, q2, [%0, #32]\n\tldr d3, [%0, #8]\n\tldr s4, [%0, #4]\n\tldr h4, [%0, #2]"))
SECTION(load_replicate, "ld1r {v0.4s}, [%0]\n\tld1r {v1.8h}, [%0]\n\tld1r {v2.16b}, [%0]\n\tld2r {v3.4s, v4.4s}, [%0]")
SECTION(load_structure,
        "ld1 {v0.4s, v1.4s, v2.4s, v3.4s}, [%0]\n\tld1 {v0.s}[1], [%0]\n\tld4 {v0.4s, v1.4s, v2.4s, v3.4s}, [%0]\n\t"
        "ld2 {v0.h, v1.h}[3], [%0]\n\tld1 {v0.8b}, [%0]")
SECTION(load_unaligned, "ldur q0, [%0, #60]\n\tldur q1, [%0, #3]\n\tstur q0, [%1, #50]")
SECTION(store_vector,
        "str q0, [%1]\n\tstp q1, q2, [%1, #32]\n\tstp d0, d1, [%1]\n\tstr s0, [%1]\n\tst1 {v0.4s, v1.4s}, [%1]\n\t"
        "st1 {v0.s}[2], [%1]\n\tst4 {v0.4s, v1.4s, v2.4s, v3.4s}, [%1]\n\tstp xzr, xzr, [%1]\n\tstnp q0, q1, [%1]")
SECTION(general,
        "ldr x9, [%0]\n\tldp w9, w10, [%0]\n\tldrsb w9, [%0]\n\tldrh w9, [%0]\n\tstr w9, [%1]\n\tprfm pldl1keep, [%0]")
// qemu 7.2 does not report the stores of dc zva (512 bytes here) at all; the judge then says so in a note.
SECTION(zero_block, "dc zva, %1")

static const MarkedSection kSections[] = {
    // name, isa, function, fp32 lanes, integer MACs, vpmaddubsw MACs, bytes loaded, bytes stored
    {"fma_vector", "neon64", fma_vector, 10000, 0, 0, 0, 0},
    {"fma_scalar", "neon64", fma_scalar, 30, 0, 0, 0, 0},
    {"fma_half", "neon64fp16", fma_half, 4, 0, 0, 0, 0},
    {"reciprocal", "neon64", reciprocal, 0, 0, 0, 0, 0},
    {"scalar_mul", "scalar", scalar_mul, 120, 0, 0, 0, 0},
    {"int_widening", "neon64", int_widening, 0, 24, 0, 0, 0},
    {"int_same", "neon64", int_same, 0, 12, 0, 0, 0},
    {"int_dot", "neon64dot", int_dot, 0, 144, 0, 0, 0},
    {"load_vector", "neon64", load_vector, 0, 0, 0, 434, 0},
    {"load_replicate", "neon64", load_replicate, 0, 0, 0, 15, 0},
    {"load_structure", "neon64", load_structure, 0, 0, 0, 144, 0},
    {"load_unaligned", "neon64", load_unaligned, 0, 0, 0, 32, 16},
    {"store_vector", "neon64", store_vector, 0, 0, 0, 0, 16 + 32 + 16 + 4 + 32 + 4 + 64 + 16 + 32},
    {"general", "neon64", general, 0, 0, 0, 19, 4},
    {"zero_block", "neon64", zero_block, 0, 0, 0, 0, 0},
};

int main(int argc, char** argv) { return run_sections(argc, argv, kSections, sizeof kSections / sizeof *kSections); }
