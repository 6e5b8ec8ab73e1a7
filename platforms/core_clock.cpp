#include "tally/platforms/core_clock.h"

#include <algorithm>
#include <string>

#include "tally/platforms/clock.h"

namespace tally {

namespace {

constexpr int64_t kAdds = 256;  // a round
constexpr int64_t kRounds = 2000, kBursts = 15;

#define TALLY_ADDS_4(add) add add add add
#define TALLY_ADDS_16(add) TALLY_ADDS_4(TALLY_ADDS_4(add))
#define TALLY_ADDS_256(add) TALLY_ADDS_16(TALLY_ADDS_16(add))

}  // namespace

// One addition, and the two instructions that count a round down. A register is added, no constant: some cores do
// additions of constants while renaming registers, in no cycle at all.
#if defined(__x86_64__)
#define TALLY_ADD "addq %[one], %[sum]\n"
#define TALLY_NEXT_ROUND "decq %[rounds]\njnz 1b\n"
#elif defined(__aarch64__)
#define TALLY_ADD "add %[sum], %[sum], %[one]\n"
#define TALLY_NEXT_ROUND "subs %[rounds], %[rounds], #1\nb.ne 1b\n"
#elif defined(__arm__)
#define TALLY_ADD "add %[sum], %[sum], %[one]\n"
#define TALLY_NEXT_ROUND "subs %[rounds], %[rounds], #1\nbne 1b\n"
#endif

#if defined(TALLY_ADD)

void dependent_adds(int64_t rounds) noexcept {
  intptr_t sum = 0;  // a register wide
  const intptr_t one = 1;
  auto left = static_cast<intptr_t>(rounds);
  asm volatile("1:\n" TALLY_ADDS_256(TALLY_ADD) TALLY_NEXT_ROUND
               : [sum] "+r"(sum), [rounds] "+r"(left)
               : [one] "r"(one)
               : "cc");
}
constexpr int64_t kLoopInstructions = 2;

#else

void dependent_adds(int64_t) noexcept {}
constexpr int64_t kLoopInstructions = -kAdds;

#endif

int64_t instructions_of_adds(int64_t rounds) { return rounds * (kAdds + kLoopInstructions); }
int64_t cycles_of_adds(int64_t rounds) { return kLoopInstructions > 0 ? rounds * kAdds : 0; }

double core_mhz() {
  if (cycles_of_adds(kRounds) == 0) return 0;
  const double ticks_a_ns = ticks_per_ns();
  int64_t shortest = INT64_MAX;
  for (int burst = 0; burst < kBursts; ++burst) {
    const int64_t before = ticks();
    dependent_adds(kRounds);
    shortest = std::min(shortest, ticks() - before);
  }
  if (shortest <= 0) return 0;
  return static_cast<double>(cycles_of_adds(kRounds)) * 1e3 * ticks_a_ns / static_cast<double>(shortest);
}

double settled_core_mhz() {
  double mhz = core_mhz();
  if (mhz == 0) return 0;
  const int64_t begin = now_ns();
  for (int agreeing = 1; agreeing < 3 && now_ns() - begin < 200'000'000;) {
    const double next = core_mhz();
    agreeing = std::max(next, mhz) <= 1.01 * std::min(next, mhz) ? agreeing + 1 : 1;
    mhz = next;
  }
  return mhz;
}

double cpufreq_mhz(const SystemFiles& files, int cpu) {
  const std::string file = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/scaling_cur_freq";
  return static_cast<double>(files.number(file).value_or(0)) * 1e-3;
}

}  // namespace tally
