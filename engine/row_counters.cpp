#include "tally/engine/row_counters.h"

#include <algorithm>

#include "tally/engine/distribution.h"

namespace tally {

namespace {

/// Pairs of readings with nothing between them.
constexpr int kTrials = 101;

PerfCounts cost_of_reading(PerfGroup& group) noexcept {
  std::array<std::array<uint64_t, kTrials>, kPerfEvents> costs{};
  for (size_t trial = 0; trial < kTrials; ++trial) {
    PerfReading before, after;
    if (!group.read(before) || !group.read(after)) return {};
    for (size_t e = 0; e < kPerfEvents; ++e) costs[e][trial] = after.count[e] - before.count[e];
  }
  PerfCounts median{};
  for (size_t e = 0; e < kPerfEvents; ++e) {
    std::nth_element(costs[e].begin(), costs[e].begin() + kTrials / 2, costs[e].end());
    median[e] = costs[e][kTrials / 2];
  }
  return median;
}

PerfFigures figures_of(const std::vector<PerfCounts>& runs, double running_share, bool scaled,
                       const RowCounters& counters) {
  PerfFigures figures;
  if (runs.empty() || running_share <= 0) return figures;
  for (size_t e = 0; e < kPerfEvents; ++e) {
    if (!counters.counts(static_cast<PerfEvent>(e))) continue;
    std::vector<double> counts;
    for (const PerfCounts& run : runs) counts.push_back(static_cast<double>(run[e]));
    const Distribution d = distribution(std::move(counts));
    figures.count[e] = scaled ? d.mean / running_share : d.median;
  }
  return figures;
}

}  // namespace

struct alignas(64) RowCounters::Thread {
  explicit Thread(PerfCalls& calls, size_t rows) : group(calls), sums(rows) {}

  PerfGroup group;
  PerfReading last;
  PerfCounts cost{};
  std::vector<PerfCounts> sums;  ///< by row
  PerfReading marked;
  bool failed = false;
};

RowCounters::RowCounters(Context& context, const PerfSetup& setup, PerfCalls& calls) {
  for (int t = 0; t < context.threads(); ++t)
    threads_.push_back(std::make_unique<Thread>(calls, context.plan().rows.size()));
  context.on_each_thread([&](int thread) noexcept {
    Thread& own = *threads_[static_cast<size_t>(thread)];
    own.group.open(setup);
    own.cost = cost_of_reading(own.group);
  });
}

RowCounters::~RowCounters() = default;

bool RowCounters::counts(PerfEvent event) const {
  return std::all_of(threads_.begin(), threads_.end(), [&](const auto& t) { return t->group.counts(event); });
}

int RowCounters::error(PerfEvent event) const {
  for (const auto& thread : threads_)
    if (!thread->group.counts(event)) return thread->group.error(event);
  return 0;
}

bool RowCounters::any() const {
  for (size_t e = 0; e < kPerfEvents; ++e)
    if (counts(static_cast<PerfEvent>(e))) return true;
  return false;
}

bool RowCounters::reads_directly() const {
  return std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t->group.reads_directly(); });
}

void RowCounters::begin(int thread) noexcept {
  Thread& own = *threads_[static_cast<size_t>(thread)];
  own.failed = !own.group.read(own.last) || own.failed;
}

void RowCounters::end_row(int thread, int row) noexcept {
  Thread& own = *threads_[static_cast<size_t>(thread)];
  PerfReading now;
  if (!own.group.read(now)) {
    own.failed = true;
    return;
  }
  PerfCounts& sum = own.sums[static_cast<size_t>(row)];
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const uint64_t counted = now.count[e] - own.last.count[e];
    sum[e] += counted - std::min(counted, own.cost[e]);
  }
  own.last = now;
}

PerfCounts RowCounters::take(int row) noexcept {
  PerfCounts total{};
  for (const auto& thread : threads_) {
    PerfCounts& sum = thread->sums[static_cast<size_t>(row)];
    for (size_t e = 0; e < kPerfEvents; ++e) total[e] += sum[e];
    sum = {};
  }
  return total;
}

bool RowCounters::take_failure() noexcept {
  bool failed = false;
  for (const auto& thread : threads_) {
    failed = failed || thread->failed;
    thread->failed = false;
  }
  return failed;
}

void RowCounters::mark() noexcept {
  for (const auto& thread : threads_) thread->group.read_by_kernel(thread->marked);
}

double RowCounters::running_share() noexcept {
  uint64_t enabled = 0, running = 0;
  for (const auto& thread : threads_) {
    PerfReading now;
    if (!thread->group.read_by_kernel(now)) return 0;
    enabled += now.enabled_ns - thread->marked.enabled_ns;
    running += now.running_ns - thread->marked.running_ns;
  }
  return enabled > 0 ? static_cast<double>(running) / static_cast<double>(enabled) : 0;
}

CountingPass::CountingPass(Context& context, RowCounters& counters)
    : context_(&context), counters_(&counters), record_(context.make_record(false, false)) {
  record_.counters = counters_;
  samples_.resize(context.plan().rows.size());
  counters_->mark();
}

void CountingPass::run() {
  context_->run_recorded(record_);
  PerfCounts whole{};
  const bool failed = counters_->take_failure();
  for (size_t row = 0; row < samples_.size(); ++row) {
    const PerfCounts counts = counters_->take(static_cast<int>(row));
    for (size_t e = 0; e < kPerfEvents; ++e) whole[e] += counts[e];
    if (!failed) samples_[row].push_back(counts);
  }
  if (!failed) whole_.push_back(whole);
}

CountedRuns CountingPass::result() {
  CountedRuns result;
  result.running_share = std::min(1.0, counters_->running_share());
  for (const std::vector<PerfCounts>& row : samples_)
    result.rows.push_back(figures_of(row, result.running_share, result.scaled(), *counters_));
  result.whole = figures_of(whole_, result.running_share, result.scaled(), *counters_);
  return result;
}

}  // namespace tally
