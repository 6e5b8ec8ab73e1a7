// What counting costs: the same model with kernels that count and with those that do not, in turn, one thread.
//   tally_counting_cost [--isa NAME]... [--repeats N] MODEL.onnx...
// A repeat times a batch of either kind, in changing order; cost = median over repeats of counting ÷ plain − 1.
#include <utility>

#include "tools/bench/subject.h"

namespace {

using namespace tally;
using namespace tally::bench;

constexpr double kBatchNs = 100e3;

double time_plain(Context& context, int runs) {
  const int64_t begin = ticks();
  for (int i = 0; i < runs; ++i) context.run();
  return elapsed_ns(begin) / runs;
}

double time_counting(Context& context, int runs) {
  const int64_t begin = ticks();
  for (int i = 0; i < runs; ++i) context.run_counting();
  return elapsed_ns(begin) / runs;
}

void measure(Isa isa, const std::vector<std::string>& files, int repeats) {
  for (const std::string& file : files) {
    const auto context = load_filled(file, isa);
    const int runs = runs_in(kBatchNs, *context);
    std::vector<double> ratios, plain_ns;
    for (int r = 0; r < repeats; ++r) {
      double plain = 0, counting = 0;
      if (r % 2 == 0) plain = time_plain(*context, runs);
      counting = time_counting(*context, runs);
      if (r % 2 != 0) plain = time_plain(*context, runs);
      ratios.push_back(counting / plain);
      plain_ns.push_back(plain);
    }
    const Distribution ratio = distribution(std::move(ratios)), ns = distribution(std::move(plain_ns));
    std::printf("%-10s %-28s %10.2f us, counting %+.2f %% (p10 %+.2f, p90 %+.2f)\n", std::string(name_of(isa)).c_str(),
                name_of_file(file).c_str(), ns.median / 1e3, 100 * (ratio.median - 1), 100 * (ratio.p10 - 1),
                100 * (ratio.p90 - 1));
  }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, "tally_counting_cost", 2000, measure); }
