#include "tally/engine/profile.h"

#include <algorithm>
#include <numeric>

namespace tally {

namespace {

int64_t sum(const GapTerms& terms) {
  return std::accumulate(terms.begin(), terms.end(), int64_t{0},
                         [](int64_t total, const auto& term) { return total + term.second; });
}

std::optional<std::string> broken_law(const ProfileRow& row) {
  const PlanRow& plan = *row.plan;
  const Tally& t = row.executed;
  if (plan.varies.empty() && t != plan.planned.tally) return plan.name + ": executed differs from planned";
  if (!plan.planned.parts_add_up()) return plan.name + ": planned parts do not add up";
  if (t.lane_macs - plan.ideal.macs != sum(row.gap.macs)) return plan.name + ": MAC gap terms do not sum to the gap";
  if (t.bytes_loaded - plan.ideal.bytes_read - plan.ideal.bytes_weights != sum(row.gap.bytes_loaded))
    return plan.name + ": load gap terms do not sum to the gap";
  if (t.bytes_stored - plan.ideal.bytes_written != sum(row.gap.bytes_stored))
    return plan.name + ": store gap terms do not sum to the gap";
  return std::nullopt;
}

/// executed − ideal: as planned, and where data decide what runs, what they made of it.
Gap gap_of(const PlanRow& row, const Tally& executed) {
  Gap gap = row.gap;
  if (row.varies.empty()) return gap;
  const Tally& planned = row.planned.tally;
  Gap more;
  more.macs[row.varies] = executed.lane_macs - planned.lane_macs;
  more.bytes_loaded[row.varies] = executed.bytes_loaded - planned.bytes_loaded;
  more.bytes_stored[row.varies] = executed.bytes_stored - planned.bytes_stored;
  add_to(gap, more);
  return gap;
}

/// Over interleaved pairs with ÷ without, less one.
Distribution overhead(const std::vector<double>& with, const std::vector<double>& without) {
  std::vector<double> shares;
  for (size_t i = 0; i < with.size() && i < without.size(); ++i)
    if (without[i] > 0) shares.push_back(with[i] / without[i] - 1);
  return distribution(std::move(shares));
}

/// The interleaved runs of the timing pass.
class TimingPass {
 public:
  TimingPass(Context& context, const ProfileOptions& options)
      : context_(context), timed_(context.make_record(false, true)) {
    rows_ns.resize(context.plan().rows.size());
    kinds_ = {[this] { run_plain(); }, [this] { run_timed(); }};
    if (options.measure_overhead) kinds_.push_back([this] { run_counting(); });
    if (options.counters == nullptr) return;
    counting_.emplace(context, *options.counters);
    kinds_.push_back([this] { counting_->run(); });
  }

  /// One run of each kind, the `first`-th first.
  void turn(size_t first) {
    for (size_t k = 0; k < kinds_.size(); ++k) kinds_[(first + k) % kinds_.size()]();
  }
  std::optional<CountedRuns> counted() { return counting_ ? std::optional(counting_->result()) : std::nullopt; }

  std::vector<std::vector<double>> rows_ns;  ///< [row][run]
  std::vector<double> timed_ns, plain_ns, counting_ns;

 private:
  template <class F>
  double ns_of(F&& run) const {
    const int64_t before = ticks();
    run();
    return static_cast<double>(ticks() - before) * ns_per_tick_;
  }
  void run_plain() {
    plain_ns.push_back(ns_of([&] { context_.run(); }));
  }
  void run_timed() {
    timed_ns.push_back(ns_of([&] { context_.run_recorded(timed_); }));
    for (size_t r = 0; r < rows_ns.size(); ++r)
      rows_ns[r].push_back(static_cast<double>(timed_.ticks[r]) * ns_per_tick_);
  }
  void run_counting() {
    counting_ns.push_back(ns_of([&] { context_.run_counting(); }));
  }

  Context& context_;
  RunRecord timed_;
  std::optional<CountingPass> counting_;
  std::vector<std::function<void()>> kinds_;
  double ns_per_tick_ = 1.0 / ticks_per_ns();
};

}  // namespace

std::vector<StepFigures> profile_steps(Context& context, int64_t steps, const std::function<void(int64_t)>& enter,
                                       const ProfileOptions& options) {
  std::vector<StepFigures> figures(static_cast<size_t>(steps));
  RunRecord counted = context.make_record(true, false);
  context.reset();
  for (int64_t k = 0; k < steps; ++k) {
    enter(k);
    context.run_recorded(counted);
    for (const Tally& tally : counted.tallies) figures[static_cast<size_t>(k)].executed += tally;
  }
  const double per_ns = 1.0 / ticks_per_ns();
  std::vector<std::vector<double>> samples(figures.size());
  const int64_t begin = ticks();
  const int least = 3, most = options.repeats > 0 ? options.repeats : 2000;
  for (int repeat = 0; repeat < most; ++repeat) {
    const double elapsed_s = static_cast<double>(ticks() - begin) * per_ns * 1e-9;
    if (options.repeats == 0 && repeat >= least && elapsed_s > options.seconds) break;
    context.reset();
    for (int64_t k = 0; k < steps; ++k) {
      enter(k);
      const int64_t before = ticks();
      context.step();
      samples[static_cast<size_t>(k)].push_back(static_cast<double>(ticks() - before) * per_ns);
    }
  }
  for (size_t k = 0; k < figures.size(); ++k) figures[k].ns = distribution(std::move(samples[k]));
  return figures;
}

std::optional<double> energy_of_runs(Context& context, EnergyMeter& meter, double seconds) {
  const auto least_ns = static_cast<int64_t>(std::max(seconds, meter.least_seconds()) * 1e9);
  constexpr int64_t kSample_ns = 20'000'000;  // often enough for a sensor's power to be a line between two samples
  constexpr int64_t kBatch_ns = 100'000;      // long against reading the clock
  int64_t runs = 0, batch = 1;
  const int64_t begin = now_ns();
  meter.start(begin);
  for (int64_t now = begin; now - begin < least_ns; meter.sample(now)) {
    if (context.plan().timeline) context.reset();
    for (const int64_t sampled = now; now - sampled < kSample_ns;) {
      const int64_t before = now;
      for (int64_t i = 0; i < batch; ++i) context.run();
      runs += batch;
      now = now_ns();
      if (now - before < kBatch_ns) batch *= 2;
    }
  }
  const std::optional<double> joules = meter.joules();
  return joules ? std::optional(*joules * 1e9 / static_cast<double>(runs)) : std::nullopt;
}

Profile profile(Context& context, const ProfileOptions& options) {
  Profile result;
  const Plan& plan = context.plan();
  RunRecord counted = context.make_record(true, false);
  context.run_recorded(counted);
  context.require_complete();
  result.warmup = warm_up(context, options.warmup, options.warmup_seconds);

  TimingPass pass(context, options);
  const double per_ns = 1.0 / ticks_per_ns();
  const int64_t begin = ticks();
  const int least = 5, most = options.repeats > 0 ? options.repeats : 2000;
  for (int repeat = 0; repeat < most; ++repeat) {
    const double elapsed_s = static_cast<double>(ticks() - begin) * per_ns * 1e-9;
    if (options.repeats == 0 && repeat >= least && elapsed_s > options.seconds) break;
    pass.turn(static_cast<size_t>(repeat));
  }
  const Distribution counting_costs = overhead(pass.counting_ns, pass.plain_ns);
  result.clock_overhead = overhead(pass.timed_ns, pass.plain_ns).median;
  result.tally_overhead = counting_costs.median;
  result.tally_overhead_ci95 = counting_costs.median_ci95;
  result.ns = distribution(std::move(pass.timed_ns));
  result.plain_ns = distribution(std::move(pass.plain_ns));
  result.counting_ns = distribution(std::move(pass.counting_ns));
  const std::optional<CountedRuns> hardware = pass.counted();
  if (hardware) {
    result.counted = hardware->whole;
    result.running_share = hardware->running_share;
  }
  if (options.energy != nullptr) result.energy_nj = energy_of_runs(context, *options.energy, options.seconds);
  for (size_t r = 0; r < plan.rows.size(); ++r) {
    ProfileRow row;
    row.plan = &plan.rows[r];
    row.executed = counted.tallies[r];
    row.gap = gap_of(*row.plan, row.executed);
    row.ns = distribution(std::move(pass.rows_ns[r]));
    if (hardware) row.counted = hardware->rows[r];
    const auto bytes = static_cast<double>(row.executed.bytes_loaded + row.executed.bytes_stored);
    row.intensity = bytes > 0 ? 2.0 * static_cast<double>(row.executed.macs) / bytes : 0;
    result.executed += row.executed;
    if (!result.broken_law) result.broken_law = broken_law(row);
    result.rows.push_back(std::move(row));
  }
  result.plan = context.shared_plan();
  return result;
}

}  // namespace tally
