// How much of the machine's multiply-accumulate peak a model reaches, one thread, by instruction set:
//   tally_share_of_peak [--isa NAME]... [--repeats N] MODEL.onnx...
// Each repeat times the peak kernel and every model in turn, so that drift of a shared machine falls on both sides of
// the ratio. share = ideal MACs ÷ (time · peak), the median over repeats; models' times are printed for orientation
// only.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/subject.h"

namespace {

using namespace tally;
using namespace tally::bench;

constexpr double kSampleNs = 300e3;  ///< a sample is long enough for the clock, short enough to be seldom interrupted

struct Subject {
  std::string name;
  std::unique_ptr<Context> context;
  double macs = 0;
  int batch = 1;
  std::vector<double> shares, ns;
};

/// MACs a ns of the peak kernel, over about kSampleNs.
double peak_rate(const KernelTable& kernels, int64_t rounds) {
  const int64_t begin = ticks();
  const int64_t lanes = kernels.fma_peak(rounds);
  return static_cast<double>(lanes) / elapsed_ns(begin);
}

int64_t calibrate_rounds(const KernelTable& kernels) {
  int64_t rounds = 1000;
  while (true) {
    const int64_t begin = ticks();
    kernels.fma_peak(rounds);
    if (elapsed_ns(begin) > kSampleNs) return rounds;
    rounds *= 2;
  }
}

Subject make_subject(const std::string& file, Isa isa) {
  Subject s;
  s.name = name_of_file(file);
  s.context = load_filled(file, isa);
  s.macs = static_cast<double>(s.context->plan().estimate.totals.macs);
  s.batch = runs_in(kSampleNs, *s.context);
  return s;
}

void measure(Isa isa, const std::vector<std::string>& files, int repeats) {
  const KernelTable& kernels = kernel_table(isa, false);
  const int64_t rounds = calibrate_rounds(kernels);
  std::vector<Subject> subjects;
  for (const std::string& file : files) subjects.push_back(make_subject(file, isa));
  std::vector<double> peaks;
  for (int r = 0; r < repeats; ++r) {
    for (Subject& s : subjects) {
      // The models before have emptied the caches: a steady state is measured.
      for (int i = 0; i < s.batch; ++i) s.context->run();
      const double before = peak_rate(kernels, rounds);
      const int64_t begin = ticks();
      for (int i = 0; i < s.batch; ++i) s.context->run();
      const double ns = elapsed_ns(begin) / s.batch;
      const double peak = (before + peak_rate(kernels, rounds)) / 2;
      peaks.push_back(peak);
      s.ns.push_back(ns);
      s.shares.push_back(s.macs / ns / peak);
    }
  }
  std::printf("%s: peak %.1f GMAC/s (median of %zu)\n", std::string(name_of(isa)).c_str(), distribution(peaks).median,
              peaks.size());
  std::printf("  %-28s %14s %12s %12s %8s %8s %8s\n", "model", "MACs", "us median", "us min", "share", "p10", "p90");
  for (Subject& s : subjects) {
    const Distribution share = distribution(s.shares), ns = distribution(s.ns);
    std::printf("  %-28s %14.0f %12.2f %12.2f %8.3f %8.3f %8.3f\n", s.name.c_str(), s.macs, ns.median / 1e3,
                ns.min / 1e3, share.median, share.p10, share.p90);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, "tally_share_of_peak", 60, measure); }
