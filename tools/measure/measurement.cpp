#include "tools/measure/measurement.h"

#include "CLI/CLI.hpp"
#include "tally/engine/error.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/core_clock.h"
#include "tools/output/formatted.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

const std::string kNotAskedFor = "not asked for (--counters off)";

/// −1: none, with the reason in `why`.
int chosen_cpu(const Context& context, const MeasuringOptions& options, const SystemFiles& files, std::string& why) {
  if (options.no_pin)
    why = "not asked for (--no-pin)";
  else if (context.threads() > 1)
    why =
        options.cluster.empty() ? "several threads, left to the system" : "several threads, on the CPUs of one cluster";
  if (!why.empty()) return -1;
  const int cpu = cpu_to_measure_on(files, topology(), allowed_cpus());
  if (cpu < 0) why = "the system does not tell which CPUs are allowed";
  return cpu;
}

}  // namespace

void add_measuring_options(CLI::App& command, MeasuringOptions& options) {
  command
      .add_option("--counters", options.counters,
                  "hardware counters and energy: auto (what there is), require (exit 4 without cycles and "
                  "instructions), off")
      ->type_name("WHEN")
      ->capture_default_str();
  command.add_flag("--no-pin", options.no_pin,
                   "leave one thread to the system instead of holding it on the quietest of the fastest cores");
  command
      .add_option("--cluster", options.cluster,
                  "of unequal cores, those to run on: big (the fastest), little (the slowest), a number from 0 (the "
                  "fastest) or a core's name (cortex-a55)")
      ->type_name("WHICH");
}

HeldCluster hold_cluster(const MeasuringOptions& options, int threads) {
  HeldCluster held;
  if (options.cluster.empty()) return held;
  const std::vector<Cluster> clusters = clusters_within(topology(), allowed_cpus());
  held.index = cluster_named(clusters, options.cluster);
  if (held.index < 0) {
    std::string there;
    for (const Cluster& cluster : clusters)
      there += formatted("{}{} ({})", there.empty() ? "" : ", ", &cluster - clusters.data(),
                           cluster.name.empty() ? formatted("{} CPUs", cluster.cpus.size()) : cluster.name);
    fail("--cluster", "'" + options.cluster + "'",
         clusters.empty() ? "needs a system that tells its CPUs" : "must name one of this machine's: " + there,
         ErrorCode::machine);
  }
  const std::vector<int>& cpus = clusters[static_cast<size_t>(held.index)].cpus;
  if (threads > static_cast<int>(cpus.size()))
    fail("--threads", std::to_string(threads),
         formatted("must be at most {}, the CPUs of cluster '{}'", cpus.size(), options.cluster), ErrorCode::usage);
  held.pin = std::make_unique<Pin>(cpus);
  if (!held.pin->holds())
    fail("--cluster", "'" + options.cluster + "'", "could not be held: the system refused", ErrorCode::machine);
  return held;
}

bool CounterRecord::any() const {
  for (const std::string& reason : missing)
    if (reason.empty()) return true;
  return false;
}

Measurement::Measurement(Context& context, const MeasuringOptions& options, const SystemFiles& files, PerfCalls& calls)
    : files_(&files) {
  if (options.counters != "auto" && options.counters != "require" && options.counters != "off")
    fail("--counters", "'" + options.counters + "'", "must be auto, require or off", ErrorCode::usage);
  record_.cpu = chosen_cpu(context, options, files, record_.not_pinned);
  pin_ = std::make_unique<Pin>(record_.cpu);
  if (record_.cpu >= 0 && !pin_->holds()) {
    record_.not_pinned = formatted("the system refused to hold the thread on CPU {}", record_.cpu);
    record_.cpu = -1;
  }
  record_.counters.missing.fill(kNotAskedFor);
  record_.energy_missing = kNotAskedFor;
  if (options.counters != "off") {
    open_counters(context, calls, options.counters == "require");
    energy_ = std::make_unique<EnergyMeter>(files, energy_sources(files));
    record_.energy_source = energy_->source();
    record_.energy_missing = energy_->missing();
    if (!energy_->usable()) energy_.reset();
  }
  record_.span.threads = context.threads();
  record_.span.in_cluster = !options.cluster.empty();
  record_.cluster = options.cluster;
  record_.span.mhz_before = settled_core_mhz();
  record_.before = read_conditions(files, record_.cpu);
  begin_ns_ = now_ns();
}

void Measurement::open_counters(Context& context, PerfCalls& calls, bool required) {
  counters_ = std::make_unique<RowCounters>(context, perf_setup(*files_, record_.cpu), calls);
  CounterRecord& found = record_.counters;
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    found.missing[e] = counters_->counts(event) ? "" : perf_obstacle(counters_->error(event), *files_);
  }
  found.direct = counters_->reads_directly();
  for (const PerfEvent event : {PerfEvent::cycles, PerfEvent::instructions})
    if (required && !found.counted(event))
      fail("--counters require", formatted("no counter of {} ({})", name_of(event), found.missing[size_t(event)]),
           "must be available", ErrorCode::machine);
  if (!counters_->any()) counters_.reset();
}

MeasurementRecord Measurement::finish(const Distribution& whole, const Warmup& warmup, double running_share) {
  MeasuredSpan& span = record_.span;
  span.seconds = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
  record_.after = read_conditions(*files_, record_.cpu);
  span.mhz_after = core_mhz();
  span.steady = warmup.steady;
  span.spread = whole.spread();
  record_.warmup = warmup;
  record_.counters.running_share = running_share;
  // Of several threads only the first one's time and clock are known.
  if (record_.counters.missing.front() != kNotAskedFor && span.threads == 1)
    record_.counters.mhz = 0.5 * (span.mhz_before + span.mhz_after);
  record_.unfit = unfit_reasons(record_.before, record_.after, span, topology());
  pin_.reset();
  return record_;
}

void warn_where_unfit(const MeasurementRecord& record, bool quiet) {
  if (!record.unfit.empty()) message(formatted("warning: not fit to measure: {}", joined(record.unfit, "; ")), quiet);
}

}  // namespace tally::tools
