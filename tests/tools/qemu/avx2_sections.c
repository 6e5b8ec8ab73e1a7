// Sections of SSE2 and AVX2+FMA+F16C code, each with the counts that its assembly says.
#include "x86_sections.h"

SECTION(fma_packed, LOOP(1000, "vfmadd231ps (%0), %%ymm1, %%ymm2\n\tvfnmadd132ps %%xmm1, %%xmm2, %%xmm3"))
SECTION(fma_scalar, LOOP(77, "vfmsub213ss %%xmm0, %%xmm1, %%xmm2\n\tvfmadd213sd %%xmm0, %%xmm1, %%xmm2"))
SECTION(mul_is_no_fma,
        LOOP(10, "vmulps %%ymm0, %%ymm1, %%ymm2\n\tvaddps %%ymm2, %%ymm3, %%ymm3\n\tvrcpps %%ymm0, %%ymm1"))
SECTION(sse2_mul,
        LOOP(50, "mulps (%0), %%xmm1\n\taddps %%xmm1, %%xmm2\n\tmulss %%xmm1, %%xmm2\n\tmulsd %%xmm1, %%xmm2"))
SECTION(sse2_pmaddwd, LOOP(9, "pmaddwd (%0), %%xmm1\n\tpaddd %%xmm1, %%xmm2"))
SECTION(avx2_pmaddwd, LOOP(9, "vpmaddwd %%ymm0, %%ymm1, %%ymm2\n\tvpmaddwd %%xmm0, %%xmm1, %%xmm2"))
SECTION(avx2_pmaddubsw, LOOP(5, "vpmaddubsw %%ymm0, %%ymm1, %%ymm2"))
SECTION(nothing, "")
SECTION(move_ymm, LOOP(16, "vmovups (%0), %%ymm0\n\tvmovaps %%ymm0, 64(%1)"))
SECTION(move_unaligned,
        "vmovups 36(%0), %%ymm0\n\tvmovups %%ymm0, 4(%1)\n\tmovups 60(%0), %%xmm1\n\tmovups %%xmm1, 50(%1)")
SECTION(move_narrow,
        "vmovss 4(%0), %%xmm0\n\tvmovsd 8(%0), %%xmm1\n\tvmovss %%xmm0, 4(%1)\n\tvmovsd %%xmm1, 8(%1)\n\t"
        "vmovd 16(%0), %%xmm0\n\tvmovq 24(%0), %%xmm0\n\tvmovhps 8(%0), %%xmm0, %%xmm1\n\tvmovlps %%xmm1, (%1)")
SECTION(broadcast,
        "vbroadcastss 4(%0), %%ymm0\n\tvbroadcastss 60(%0), %%xmm1\n\tvbroadcastsd 8(%0), %%ymm2\n\t"
        "vbroadcastf128 16(%0), %%ymm3")
SECTION(broadcast_int,
        "vpbroadcastb 1(%0), %%ymm0\n\tvpbroadcastw 2(%0), %%ymm1\n\tvpbroadcastd 4(%0), %%ymm2\n\t"
        "vpbroadcastq 8(%0), %%xmm3")
// Three of the lanes are on, yet qemu 7.2 loads the whole operand and masks afterwards: 3 × 4 bytes are seen as 32
// or 16. (It would also fault where the lanes that are off lie in an unmapped page.) Masked stores and gathers are
// exact.
SECTION(masked_load, "vmovdqa (%2), %%ymm1\n\tvmaskmovps (%0), %%ymm1, %%ymm0\n\tvpmaskmovd 64(%0), %%xmm1, %%xmm0")
SECTION(masked_store, "vmovdqa (%2), %%ymm1\n\tvmaskmovps %%ymm0, %%ymm1, (%1)\n\tvpmaskmovd %%ymm0, %%ymm1, 64(%1)")
SECTION(half_load, "vcvtph2ps (%0), %%ymm0\n\tvcvtph2ps 64(%0), %%xmm1")
SECTION(half_store, "vcvtps2ph $0, %%ymm0, (%1)\n\tvcvtps2ph $0, %%xmm0, 64(%1)")
SECTION(widen,
        "vpmovsxbw (%0), %%ymm0\n\tvpmovzxbd 64(%0), %%ymm1\n\tvpmovsxbd (%0), %%xmm2\n\tvpmovsxwd 16(%0), %%xmm3")
SECTION(convert,
        "vcvtdq2ps (%0), %%ymm0\n\tvcvttps2dq 32(%0), %%ymm1\n\tvcvtps2pd 64(%0), %%ymm2\n\tvcvtsi2ssl (%0), %%xmm0, "
        "%%xmm1")
SECTION(lanes_128,
        "vinsertf128 $1, 16(%0), %%ymm0, %%ymm1\n\tvextractf128 $1, %%ymm1, 16(%1)\n\tvinsertps $16, (%0), %%xmm0, "
        "%%xmm1\n\t"
        "vpinsrb $1, (%0), %%xmm0, %%xmm1\n\tvpinsrw $1, 2(%0), %%xmm0, %%xmm1\n\tvpextrb $1, %%xmm1, (%1)\n\t"
        "vpextrd $1, %%xmm1, 4(%1)\n\tvextractps $1, %%xmm1, 8(%1)")
SECTION(permute,
        "vperm2f128 $1, (%0), %%ymm0, %%ymm1\n\tvpermps 32(%0), %%ymm0, %%ymm1\n\tvpshufb (%0), %%ymm1, %%ymm2\n\t"
        "vshufps $0, 64(%0), %%ymm0, %%ymm1")
SECTION(arithmetic,
        "vaddps (%0), %%ymm0, %%ymm1\n\tvmaxss 4(%0), %%xmm0, %%xmm1\n\tvminps 32(%0), %%xmm0, %%xmm1\n\t"
        "vdivps (%0), %%ymm0, %%ymm1\n\tvandps (%0), %%ymm0, %%ymm1\n\tvcmpps $1, (%0), %%ymm0, %%ymm1\n\t"
        "vroundps $1, (%0), %%ymm1\n\tvsqrtps (%0), %%ymm1\n\tvblendvps %%ymm1, (%0), %%ymm1, %%ymm2")
SECTION(integer,
        "movzbl 1(%0), %%eax\n\tmovswl 2(%0), %%eax\n\tmov 8(%0), %%rax\n\tmov %%rax, 8(%1)\n\tmovb $1, (%1)\n\tadd "
        "%%eax, 4(%1)")
SECTION(gather, "vmovdqa (%2), %%ymm1\n\tvpxor %%xmm2, %%xmm2, %%xmm2\n\tvgatherdps %%ymm1, (%0,%%ymm2,4), %%ymm0")
SECTION(streaming, "vmovntps %%ymm0, (%1)\n\tmovnti %%eax, 64(%1)\n\tprefetcht0 (%0)")
SECTION(string, "mov %0, %%rsi\n\tmov %1, %%rdi\n\tmov $100, %%ecx\n\trep movsb\n\tmov $3, %%ecx\n\trep stosq")

// Two sections in one stretch of straight-line code: both markers fall into the middle of a translated block.
SECTION(back_to_back,
        "vfmadd231ps %%ymm0, %%ymm1, %%ymm2\n\tnopl 0x0B0E0002(%%rax)\n\tvfmadd231ps %%ymm0, %%ymm1, %%ymm2\n\t"
        "nopl 0x0B0E0001(%%rax)\n\tvfmadd231ps %%xmm0, %%xmm1, %%xmm2")
static void second_half(const void* from, void* to, const void* lane_mask) { (void)from, (void)to, (void)lane_mask; }

static const MarkedSection kSections[] = {
    // name, isa, function, fp32 lanes, integer MACs, vpmaddubsw MACs, bytes loaded, bytes stored
    {"fma_packed", "avx2", fma_packed, 12000, 0, 0, 32000, 0},
    {"fma_scalar", "avx2", fma_scalar, 77, 0, 0, 0, 0},
    {"mul_is_no_fma", "avx2", mul_is_no_fma, 0, 0, 0, 0, 0},
    {"sse2_mul", "sse2", sse2_mul, 250, 0, 0, 800, 0},
    {"sse2_pmaddwd", "sse2", sse2_pmaddwd, 0, 72, 0, 144, 0},
    {"avx2_pmaddwd", "avx2", avx2_pmaddwd, 0, 216, 0, 0, 0},
    {"avx2_pmaddubsw", "avx2", avx2_pmaddubsw, 0, 0, 160, 0, 0},
    {"nothing", "avx2", nothing, 0, 0, 0, 0, 0},
    {"move_ymm", "avx2", move_ymm, 0, 0, 0, 512, 512},
    {"move_unaligned", "avx2", move_unaligned, 0, 0, 0, 48, 48},
    {"move_narrow", "avx2", move_narrow, 0, 0, 0, 32, 20},
    {"broadcast", "avx2", broadcast, 0, 0, 0, 32, 0},
    {"broadcast_int", "avx2", broadcast_int, 0, 0, 0, 15, 0},
    {"masked_load", "avx2", masked_load, 0, 0, 0, 48, 0},
    {"masked_store", "avx2", masked_store, 0, 0, 0, 0, 24},
    {"half_load", "avx2", half_load, 0, 0, 0, 24, 0},
    {"half_store", "avx2", half_store, 0, 0, 0, 0, 24},
    {"widen", "avx2", widen, 0, 0, 0, 36, 0},
    {"convert", "avx2", convert, 0, 0, 0, 84, 0},
    {"lanes_128", "avx2", lanes_128, 0, 0, 0, 23, 25},
    {"permute", "avx2", permute, 0, 0, 0, 128, 0},
    {"arithmetic", "avx2", arithmetic, 0, 0, 0, 244, 0},
    {"integer", "avx2", integer, 0, 0, 0, 15, 13},
    {"gather", "avx2", gather, 0, 0, 0, 12, 0},
    {"streaming", "avx2", streaming, 0, 0, 0, 0, 36},
    {"string", "avx2", string, 0, 0, 0, 100, 124},
    {"back_to_back", "avx2", back_to_back, 8, 0, 0, 0, 0},
    {"second_half", "avx2", second_half, 4, 0, 0, 0, 0},
};

int main(int argc, char** argv) { return run_sections(argc, argv, kSections, sizeof kSections / sizeof *kSections); }
