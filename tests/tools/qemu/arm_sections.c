// Sections of A32 code for 32-bit ARM, each with the counts that its assembly says, and of Thumb code that they call.
// r0 (%0) is the input, %1 the output.
#include "marked_sections.h"

#define SECTION(NAME, ASSEMBLY)                                                                                       \
  static void NAME(const void* from, void* to, const void* lane_mask) {                                               \
    (void)lane_mask;                                                                                                  \
    __asm__ volatile("orr r9, r9, r9\n\t" ASSEMBLY "\n\torr r8, r8, r8"                                               \
                     :                                                                                                \
                     : "r"(from), "r"(to)                                                                             \
                     : "r2", "r3", "r4", "r5", "ip", "lr", "q0", "q1", "q2", "q3", "q4", "q8", "q9", "memory", "cc"); \
  }
#define LOOP(COUNT, ASSEMBLY) "mov r4, #" #COUNT "\n1:\n\t" ASSEMBLY "\n\tsubs r4, r4, #1\n\tbne 1b\n\t"

SECTION(fma_vector, LOOP(200, "vfma.f32 q0, q1, q2\n\tvfms.f32 q8, q9, q2\n\tvfma.f32 d0, d2, d4"))
SECTION(fma_scalar,
        LOOP(10, "vfma.f32 s0, s1, s2\n\tvfnms.f32 s0, s1, s2\n\tvfnma.f32 s3, s4, s5\n\tvfma.f64 d0, d1, d2"))
SECTION(reciprocal, "vrecpe.f32 q0, q1\n\tvrecps.f32 q0, q1, q2\n\tvrsqrts.f32 q0, q1, q2\n\tvmul.f32 q0, q1, q2")
// A product that is rounded before it is added is a multiplication.
SECTION(scalar_mul, LOOP(20,
                         "vmul.f32 s0, s1, s2\n\tvadd.f32 s3, s3, s0\n\tvmla.f32 s0, s1, s2\n\tvnmul.f32 s0, s1, s2\n\t"
                         "vmul.f32 q0, q1, d0[1]\n\tvmls.f32 d0, d1, d2\n\tvmul.f64 d0, d1, d2"))
SECTION(int_widening,
        "vmull.s8 q0, d2, d3\n\tvmlal.u8 q0, d2, d3\n\tvpadal.s16 q3, q0\n\tvmlal.s16 q0, d2, d3[1]\n\t"
        "vmlsl.s16 q0, d2, d3\n\tvmull.s32 q0, d2, d3\n\tsmull r2, r3, r4, r5\n\tmla r2, r3, r4, r5\n\tsmlabb r2, r3, "
        "r4, r5")
SECTION(int_same,
        "vmul.i16 q0, q1, q2\n\tvmla.i32 q0, q1, q2\n\tvmls.i8 d0, d1, d2\n\tmul r2, r3, r4\n\t"
        "vqrdmulh.s32 q0, q1, q2")
SECTION(load_vector, LOOP(7,
                          "vld1.32 {d0-d1}, [%0]\n\tvldr d2, [%0, #8]\n\tvldr s4, [%0, #4]\n\tvldm %0, {d4-d7}\n\t"
                          "vldm %0, {s0-s2}\n\tvld1.8 {d0-d3}, [%0]"))
SECTION(load_replicate,
        "vld1.32 {d0[],d1[]}, [%0]\n\tvld1.16 {d0[],d1[]}, [%0]\n\tvld1.8 {d0[]}, [%0]\n\t"
        "vld2.32 {d0[],d1[]}, [%0]")
SECTION(load_structure,
        "vld1.32 {d0[1]}, [%0]\n\tvld2.32 {d0-d3}, [%0]\n\tvld4.32 {d0,d2,d4,d6}, [%0]\n\t"
        "vld2.16 {d0[3],d1[3]}, [%0]\n\tvld3.8 {d0-d2}, [%0]")
SECTION(load_unaligned,
        "add r2, %0, #60\n\tvld1.32 {d0-d1}, [r2]\n\tadd r2, %0, #3\n\tvld1.8 {d2-d3}, [r2]\n\t"
        "add r2, %1, #50\n\tvst1.16 {d0-d1}, [r2]\n\tldr r3, [%0, #62]\n\tstrh r3, [%1, #63]")
SECTION(store_vector,
        "vst1.32 {d0-d1}, [%1]\n\tvst1.64 {d0-d3}, [%1]\n\tvstr d0, [%1]\n\tvstr s1, [%1]\n\t"
        "vst1.32 {d0[1]}, [%1]\n\tvst2.32 {d0-d3}, [%1]\n\tvst1.16 {d1[2]}, [%1]\n\tvstm %1, {d0-d7}")
SECTION(general,
        "ldr r2, [%0]\n\tldrd r2, r3, [%0]\n\tldrsb r2, [%0]\n\tldrh r2, [%0]\n\tldm %0, {r2-r5}\n\tstr r2, [%1]\n\t"
        "strd r2, r3, [%1]\n\tstm %1, {r2-r4}\n\tpld [%0]")

// Thumb code between A32 code: instructions of two and of four bytes, and a block of four bytes each.
__attribute__((naked, noinline, used, target("thumb"))) static void thumb_code(void) {
  __asm__ volatile("mul r2, r2, r3\n\tvmul.f32 s0, s1, s2\n\tit eq\n\tmoveq r2, r3\n\tvfma.f32 q0, q1, q2\n\tbx lr");
}
__attribute__((naked, noinline, used, target("thumb"))) static void wide_thumb_code(void) {
  __asm__ volatile("ldr.w r2, [r0]\n\tvfma.f32 q0, q1, q2\n\tvldr s0, [r0]\n\tldr.w r2, [r0, #4]\n\tb.w 1f\n1:\tbx lr");
}
SECTION(thumb, LOOP(3, "blx thumb_code\n\tvfma.f32 q0, q1, q2"))
SECTION(wide_thumb, LOOP(3, "blx wide_thumb_code\n\tvfma.f32 d0, d1, d2"))

static const MarkedSection kSections[] = {
    // name, isa, function, fp32 lanes, integer MACs, vpmaddubsw MACs, bytes loaded, bytes stored
    {"fma_vector", "neon32", fma_vector, 2000, 0, 0, 0, 0},
    {"fma_scalar", "neon32", fma_scalar, 30, 0, 0, 0, 0},
    {"reciprocal", "neon32", reciprocal, 0, 0, 0, 0, 0},
    {"scalar_mul", "scalar", scalar_mul, 20 * (3 + 4 + 2), 0, 0, 0, 0},
    {"int_widening", "neon32", int_widening, 0, 8 + 8 + 4 + 4, 0, 0, 0},
    {"int_same", "neon32", int_same, 0, 8 + 4 + 8, 0, 0, 0},
    {"load_vector", "neon32", load_vector, 0, 0, 0, 7 * (16 + 8 + 4 + 32 + 12 + 32), 0},
    {"load_replicate", "neon32", load_replicate, 0, 0, 0, 4 + 2 + 1 + 8, 0},
    {"load_structure", "neon32", load_structure, 0, 0, 0, 4 + 32 + 32 + 4 + 24, 0},
    {"load_unaligned", "neon32", load_unaligned, 0, 0, 0, 36, 18},
    {"store_vector", "neon32", store_vector, 0, 0, 0, 0, 16 + 32 + 8 + 4 + 4 + 32 + 2 + 64},
    {"general", "neon32", general, 0, 0, 0, 4 + 8 + 1 + 2 + 16, 4 + 8 + 12},
    {"thumb", "neon32", thumb, 3 * (4 + 4), 0, 0, 0, 0},
    {"wide_thumb", "neon32", wide_thumb, 3 * (4 + 2), 0, 0, 3 * (4 + 4 + 4), 0},
};

int main(int argc, char** argv) { return run_sections(argc, argv, kSections, sizeof kSections / sizeof *kSections); }
