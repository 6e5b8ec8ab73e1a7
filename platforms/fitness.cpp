#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tally/platforms/conditions.h"

namespace tally {

namespace {

using Limits = FitnessLimits;

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %%", share < 0.1 ? 1 : 0, 100 * share);
  return text;
}

std::string fixed(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// Clocks that a governor or a limit moves.
void judge_frequency(const Conditions& c, std::vector<std::string>& reasons) {
  const bool fixed_clock = c.min_khz && c.max_khz && *c.min_khz == *c.max_khz;
  if (c.governor && *c.governor != "performance" && !fixed_clock)
    reasons.push_back("the frequency governor is '" + *c.governor + "', which moves the clock; 'performance' does not");
  if (c.max_khz && c.hardware_max_khz && *c.max_khz < *c.hardware_max_khz)
    reasons.push_back("the clock is limited to " + std::to_string(*c.max_khz / 1000) + " of " +
                      std::to_string(*c.hardware_max_khz / 1000) + " MHz");
}

void judge_throttling(const Conditions& before, const Conditions& after, std::vector<std::string>& reasons) {
  if (before.throttle_events && after.throttle_events && *after.throttle_events > *before.throttle_events)
    reasons.push_back("the CPU throttled " + std::to_string(*after.throttle_events - *before.throttle_events) +
                      " times meanwhile, being too hot");
  const uint32_t flags = before.pi_flags.value_or(0) | after.pi_flags.value_or(0);
  if (const auto words = pi_throttling(flags, false); !words.empty())
    reasons.push_back("the firmware reports " + joined(words));
  const std::vector<std::string>& cooling = after.cooling.empty() ? before.cooling : after.cooling;
  if (!cooling.empty()) reasons.push_back("the clock is held down for cooling (" + joined(cooling) + ")");
}

/// A core among unequal ones.
void judge_placement(const Conditions& c, const MeasuredSpan& span, const Topology& topology,
                     std::vector<std::string>& reasons) {
  if (span.threads > topology.allowed_cpus)
    reasons.push_back(std::to_string(span.threads) + " threads share " + std::to_string(topology.allowed_cpus) +
                      " CPUs");
  if (topology.clusters.size() < 2 || span.in_cluster) return;
  if (c.cpu < 0) {
    reasons.push_back("the cores are of " + std::to_string(topology.clusters.size()) +
                      " kinds, and nothing holds the measurement on one of them");
    return;
  }
  const std::vector<int>& fastest = topology.clusters.front().cpus;
  if (std::find(fastest.begin(), fastest.end(), c.cpu) == fastest.end())
    reasons.push_back("CPU " + std::to_string(c.cpu) + " is none of the fastest cores, which this process may not use");
}

/// Work of others.
void judge_company(const Conditions& before, const Conditions& after, const MeasuredSpan& span,
                   const Topology& topology, std::vector<std::string>& reasons) {
  if (before.load && *before.load > Limits::kLoadShare * topology.allowed_cpus)
    reasons.push_back("the load average is " + fixed(*before.load, 2) + " on " + std::to_string(topology.allowed_cpus) +
                      (topology.allowed_cpus == 1 ? " CPU" : " CPUs"));
  if (const auto busy = sibling_share(before, after); busy && *busy > Limits::kSiblingBusy)
    reasons.push_back("the other thread of the core was busy for " + percent(*busy) + " of the time");
  if (const auto stolen = stolen_share(before, after); stolen && *stolen > Limits::kStolen)
    reasons.push_back("the host of this virtual machine took " + percent(*stolen) + " of the time");
  const int64_t pushed = after.pushed_off - before.pushed_off;
  if (span.seconds > 0 && static_cast<double>(pushed) > std::max(2.0, Limits::kPushedOff_per_s * span.seconds))
    reasons.push_back("other work took the CPU " + std::to_string(pushed) + " times in " + fixed(span.seconds, 1) +
                      " s");
}

void judge_span(const MeasuredSpan& span, std::vector<std::string>& reasons) {
  if (span.mhz_before > 0 && span.mhz_after > 0 &&
      std::fabs(span.mhz_after / span.mhz_before - 1) > Limits::kClockChange)
    reasons.push_back("the clock went from " + fixed(span.mhz_before, 0) + " to " + fixed(span.mhz_after, 0) + " MHz");
  if (!span.steady) reasons.push_back("runs did not become steady during warm-up");
  if (span.spread > Limits::kSpread)
    reasons.push_back("runs spread by " + percent(span.spread) + " (p10 to p90, of the median)");
}

}  // namespace

std::vector<std::string> unfit_reasons(const Conditions& before, const Conditions& after, const MeasuredSpan& span,
                                       const Topology& topology) {
  std::vector<std::string> reasons;
  judge_frequency(before, reasons);
  judge_throttling(before, after, reasons);
  judge_placement(before, span, topology, reasons);
  judge_company(before, after, span, topology, reasons);
  judge_span(span, reasons);
  return reasons;
}

}  // namespace tally
