#include "tally/engine/profile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tally {

namespace {

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = position - static_cast<double>(below);
  return sorted[below] * (1 - share) + sorted[above] * share;
}

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

/// Median over interleaved pairs of with ÷ without, less one.
double overhead(const std::vector<double>& with, const std::vector<double>& without) {
  std::vector<double> ratios;
  for (size_t i = 0; i < with.size() && i < without.size(); ++i)
    if (without[i] > 0) ratios.push_back(with[i] / without[i]);
  return ratios.empty() ? 0 : distribution(std::move(ratios)).median - 1;
}

}  // namespace

Distribution distribution(std::vector<double> samples) {
  Distribution d;
  d.samples = static_cast<int>(samples.size());
  if (samples.empty()) return d;
  std::sort(samples.begin(), samples.end());
  d.min = samples.front();
  d.max = samples.back();
  d.p10 = quantile(samples, 0.1);
  d.median = quantile(samples, 0.5);
  d.p90 = quantile(samples, 0.9);
  d.p99 = quantile(samples, 0.99);
  d.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
  double squares = 0;
  for (double s : samples) squares += (s - d.mean) * (s - d.mean);
  d.stddev = samples.size() > 1 ? std::sqrt(squares / static_cast<double>(samples.size() - 1)) : 0;
  return d;
}

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

Profile profile(Context& context, const ProfileOptions& options) {
  Profile result;
  const Plan& plan = context.plan();
  RunRecord counted = context.make_record(true, false);
  RunRecord timed = context.make_record(false, true);
  context.run_recorded(counted);
  context.require_complete();
  for (int i = 0; i < options.warmup; ++i) context.run_recorded(timed);

  const double per_ns = 1.0 / ticks_per_ns();
  // The three kinds of run take turns, so that drift of a shared machine falls on all alike.
  std::vector<std::vector<double>> rows(plan.rows.size());
  std::vector<double> timed_ns, plain_ns, counting_ns;
  const int64_t begin = ticks();
  const int least = 5, most = options.repeats > 0 ? options.repeats : 2000;
  for (int repeat = 0; repeat < most; ++repeat) {
    const double elapsed_s = static_cast<double>(ticks() - begin) * per_ns * 1e-9;
    if (options.repeats == 0 && repeat >= least && elapsed_s > options.seconds) break;
    int64_t before = ticks();
    context.run();
    plain_ns.push_back(static_cast<double>(ticks() - before) * per_ns);
    before = ticks();
    context.run_recorded(timed);
    timed_ns.push_back(static_cast<double>(ticks() - before) * per_ns);
    for (size_t r = 0; r < rows.size(); ++r) rows[r].push_back(static_cast<double>(timed.ticks[r]) * per_ns);
    if (!options.measure_overhead) continue;
    before = ticks();
    context.run_counting();
    counting_ns.push_back(static_cast<double>(ticks() - before) * per_ns);
  }
  result.clock_overhead = overhead(timed_ns, plain_ns);
  result.tally_overhead = overhead(counting_ns, plain_ns);
  result.ns = distribution(std::move(timed_ns));
  result.plain_ns = distribution(std::move(plain_ns));
  result.counting_ns = distribution(std::move(counting_ns));
  for (size_t r = 0; r < plan.rows.size(); ++r) {
    ProfileRow row;
    row.plan = &plan.rows[r];
    row.executed = counted.tallies[r];
    row.gap = gap_of(*row.plan, row.executed);
    row.ns = distribution(std::move(rows[r]));
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
