// Sections of AVX-512 and VNNI code, for the single-stepper: no bytes are judged there. Exits with 4 where the CPU
// lacks them.
#include "x86_sections.h"

SECTION(fma_zmm, LOOP(1000, "vfmadd231ps (%0), %%zmm1, %%zmm2\n\tvfmadd231ps (%0)%{1to16%}, %%zmm1, %%zmm2"))
SECTION(fma_masked,
        "kxnorw %%k1, %%k1, %%k1\n\tvfmadd231ps %%zmm0, %%zmm1, %%zmm2%{%%k1%}%{z%}\n\t"
        "vfnmsub213pd %{rn-sae%}, %%zmm0, %%zmm1, %%zmm2")
SECTION(fma_high,
        "vfmadd231ps %%zmm16, %%zmm17, %%zmm18\n\tvfmadd231ss %%xmm16, %%xmm17, %%xmm18\n\t"
        "vmulps %%zmm0, %%zmm1, %%zmm2\n\tvscalefps %%zmm0, %%zmm1, %%zmm2\n\tvrcp14ps %%zmm0, %%zmm1")
SECTION(
    vnni,
    LOOP(
        30,
        "vpdpbusd %%zmm0, %%zmm1, %%zmm2\n\tvpdpbusd (%0)%{1to16%}, %%zmm1, %%zmm2\n\tvpdpwssd %%ymm0, %%ymm1, %%ymm2"))
SECTION(madd_words, "vpmaddwd %%zmm0, %%zmm1, %%zmm2\n\tvpmaddubsw %%zmm0, %%zmm1, %%zmm2")

static const MarkedSection kSections[] = {
    {"fma_zmm", "avx512", fma_zmm, 32000, 0, 0, 0, 0},
    {"fma_masked", "avx512", fma_masked, 16, 0, 0, 0, 0},
    {"fma_high", "avx512", fma_high, 17, 0, 0, 0, 0},
    {"vnni", "avx512vnni", vnni, 0, 30 * (64 + 64 + 16), 0, 0, 0},
    {"madd_words", "avx512", madd_words, 0, 32, 64, 0, 0},
};

int main(int argc, char** argv) {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vnni") ||
      !__builtin_cpu_supports("avx512vl"))
    return 4;
  return run_sections(argc, argv, kSections, sizeof kSections / sizeof *kSections);
}
