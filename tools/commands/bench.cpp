#include <sys/resource.h>

#include <cmath>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/commands/commands.h"
#include "tools/input/inputs.h"
#include "tools/machine/roofs.h"
#include "tools/measure/latency_histogram.h"
#include "tools/measure/measurement_notes.h"
#include "tools/measure/profile_report.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, machine;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  MeasuringOptions measuring;
  double seconds = 2;
  double rate = 0;  ///< runs a second that real time asks for; 0: none given
  int64_t repeats = 0;
};

struct Measured {
  Distribution latency;        ///< single runs, the clock read before and after each
  Distribution batches;        ///< ns a run of batches of runs without a clock inside, interleaved with the single ones
  LatencyHistogram histogram;  ///< of latency
  int64_t batch = 1;           ///< runs in a batch
  int64_t load_ns = 0, first_run_ns = 0;
  Planning planning = {};
  Warmup warmup = {};
  CountedRuns counted = {};
  std::optional<double> energy_nj = {};
  MeasurementRecord record = {};

  Figures figures() const { return {latency.median, counted.whole, energy_nj, record.energy_source}; }
};

constexpr double kBatch_ns = 1e6;  // long against reading the clock, short against a machine's drift
constexpr size_t kMostSamples = 1 << 20;

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// ns of so many runs; of a streamed model, as many steps from a reset on.
double ns_of(Context& context, int64_t runs, double ns_per_tick) {
  if (context.plan().timeline) context.reset();
  const int64_t before = ticks();
  for (int64_t i = 0; i < runs; ++i) context.run();
  return static_cast<double>(ticks() - before) * ns_per_tick;
}

/// Batches of single runs and batches timed as one take turns, so that drift falls on both alike.
void time_runs(Context& context, const Options& options, Measured& m) {
  const double ns_per_tick = 1.0 / ticks_per_ns();
  m.first_run_ns = std::llround(ns_of(context, 1, ns_per_tick));
  context.require_complete();
  m.warmup = warm_up(context, 5, 0.5);
  double once = ns_of(context, 1, ns_per_tick);
  for (int i = 0; i < 5; ++i) once = std::min(once, ns_of(context, 1, ns_per_tick));
  m.batch = std::clamp<int64_t>(std::llround(kBatch_ns / std::max(once, 1.0)), 1, 100'000);
  if (options.repeats > 0) m.batch = std::min(m.batch, options.repeats);
  if (const auto& timeline = context.plan().timeline; timeline && timeline->bounded)
    m.batch = std::clamp<int64_t>(timeline->steps, 1, m.batch);
  std::vector<double> single, batches;
  Progress progress(options.output.quiet);
  const int64_t begin = now_ns();
  const auto more = [&] {
    if (options.repeats > 0) return static_cast<int64_t>(single.size()) < options.repeats;
    return (single.size() < 10 || static_cast<double>(now_ns() - begin) < options.seconds * 1e9) &&
           single.size() < kMostSamples;
  };
  while (more()) {
    for (int64_t i = 0; i < m.batch && (options.repeats == 0 || static_cast<int64_t>(single.size()) < options.repeats);
         ++i)
      single.push_back(ns_of(context, 1, ns_per_tick));
    batches.push_back(ns_of(context, m.batch, ns_per_tick) / static_cast<double>(m.batch));
    if (progress.due())
      progress.show(formatted("{} runs, last {}", with_thousands(static_cast<int64_t>(single.size())),
                              duration_text(single.back())));
  }
  m.histogram = latency_histogram(single);
  m.latency = distribution(std::move(single));
  m.batches = distribution(std::move(batches));
}

/// Counters of whole runs: as many as fit 0.1 s, and of a model that is slow some.
CountedRuns count_runs(Context& context, RowCounters& counters, double once_ns) {
  const int64_t runs = std::clamp<int64_t>(std::llround(1e8 / std::max(once_ns, 1.0)), 5, 2000);
  if (context.plan().timeline) context.reset();
  CountingPass pass(context, counters);
  for (int64_t i = 0; i < runs; ++i) pass.run();
  return pass.result();
}

/// Times, then counters and energy in passes of their own.
void measure(Context& context, const Options& options, Measured& m) {
  Measurement measurement(context, options.measuring);
  time_runs(context, options, m);
  if (RowCounters* counters = measurement.counters()) m.counted = count_runs(context, *counters, m.latency.median);
  if (EnergyMeter* energy = measurement.energy()) m.energy_nj = energy_of_runs(context, *energy, 0);
  m.record = measurement.finish(m.latency, m.warmup, m.counted.running_share);
}

/// Time of a run as a share of the time that there is for it: below 1 it keeps up.
double real_time_factor(const Measured& m, double rate) { return m.batches.median * 1e-9 * rate; }

double throughput(const Measured& m) { return m.batches.median > 0 ? 1e9 / m.batches.median : 0; }

/// Beside latency: in CSV exact, with units.
Table other_figures(const Plan& plan, const Measured& m, double rate) {
  Table table;
  table.columns = {{"quantity", "quantity"},
                   {.key = "shown", .title = "value", .unit = Unit::figure, .never_csv = true},
                   csv_column("value"),
                   csv_column("unit"),
                   {"meaning", "", Unit::text, "", 20}};
  const auto add = [&](const char* quantity, std::string shown, Cell value, const char* unit, std::string meaning) {
    table.rows.push_back(
        {std::string(quantity), std::move(shown), std::move(value), std::string(unit), std::move(meaning)});
  };
  const auto add_bytes = [&](const char* quantity, int64_t bytes, const char* meaning) {
    add(quantity, bytes_text(static_cast<double>(bytes)), bytes, "B", meaning);
  };
  const auto add_time = [&](const char* quantity, int64_t ns, const char* meaning) {
    add(quantity, duration_text(static_cast<double>(ns)), ns, "ns", meaning);
  };
  add("throughput", with_thousands(throughput(m), 1) + " /s", throughput(m), "1/s",
      formatted("from the median batch of {} runs", m.batch));
  add_time("load", m.load_ns, "reading, planning, packing weights");
  add_time("planning", static_cast<int64_t>(m.planning.ns), "of which a changed shape costs anew");
  add_time("first run", m.first_run_ns, "caches cold");
  add_bytes("weights", static_cast<int64_t>(plan.weights_bytes), "packed");
  add_bytes("arena", static_cast<int64_t>(plan.arena_bytes), "activations and scratch");
  add_bytes("peak memory", peak_rss_bytes(), "resident, of the whole process");
  if (plan.state_bytes > 0) add_bytes("state", static_cast<int64_t>(plan.state_bytes), "kept from step to step");
  if (rate > 0)
    add("real-time factor", formatted("{:.3g}", real_time_factor(m, rate)), real_time_factor(m, rate), "",
        formatted("at {} runs a second; below 1 it keeps up", with_thousands(rate, 0)));
  return table;
}

Report bench_report(const LoadedModel& loaded, const Plan& plan, const Measured& m, double rate) {
  Report report;
  report.title = loaded.name + (plan.timeline ? ": latency and throughput of a time step" : ": latency and throughput");
  report.facts = {formatted("{} · {} · {} · {} thread{}", loaded.file.string(), cpu_name(), name_of(plan.isa),
                            plan.threads, plan.threads == 1 ? "" : "s")};
  Table latency;
  latency.columns = {{"figure", ""},
                     {"min_ns", "min", Unit::ns},
                     {"p10_ns", "p10", Unit::ns},
                     {"median_ns", "median", Unit::ns},
                     {"p90_ns", "p90", Unit::ns},
                     {"p99_ns", "p99", Unit::ns},
                     {"mean_ns", "mean", Unit::ns},
                     {"stddev_ns", "stddev", Unit::ns},
                     csv_column("median_low_ns"),
                     csv_column("median_high_ns"),
                     {"samples", "samples", Unit::count}};
  const auto add = [&](const char* name, const Distribution& d) {
    latency.rows.push_back({std::string(name), d.min, d.p10, d.median, d.p90, d.p99, d.mean, d.stddev,
                            d.median_ci95 ? Cell(d.median_ci95->low) : Cell(),
                            d.median_ci95 ? Cell(d.median_ci95->high) : Cell(), int64_t{d.samples}});
  };
  add("latency", m.latency);
  add("in batches", m.batches);
  report.parts = {{"", std::move(latency)}, {"Throughput, loading, memory", other_figures(plan, m, rate)}};
  report.notes = {
      formatted("- Timer: {}. No counters compiled in. Single runs and batches take turns.", tick_source())};
  for (std::string& note : measurement_notes(m.record, m.latency, m.figures())) report.notes.push_back(std::move(note));
  return report;
}

nlohmann::ordered_json bench_document(const LoadedModel& loaded, const Plan& plan, const Measured& m, double rate) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("bench", &loaded, plan.isa);
  document["threads"] = plan.threads;
  document["latency_ns"] = distribution_json(m.latency);
  document["latency_histogram"] = histogram_json(m.histogram);
  document["streamed"] = plan.timeline.has_value();
  document["throughput_per_s"] = throughput(m);
  document["rate_per_s"] = rate > 0 ? ordered_json(rate) : ordered_json();
  document["real_time_factor"] = rate > 0 ? ordered_json(real_time_factor(m, rate)) : ordered_json();
  ordered_json missing = ordered_json::object();
  if (rate <= 0) missing = {{"rate_per_s", "not given (--rate)"}, {"real_time_factor", "not given (--rate)"}};
  document["batch_ns_per_run"] = distribution_json(m.batches);
  document["batch"] = m.batch;
  document["load_ns"] = m.load_ns;
  document["first_run_ns"] = m.first_run_ns;
  document["planning"] = {{"made", m.planning.made}, {"reused", m.planning.reused}, {"ns", m.planning.ns}};
  document["peak_rss_bytes"] = peak_rss_bytes();
  document["arena_bytes"] = plan.arena_bytes;
  document["state_bytes"] = plan.state_bytes;
  document["weights_bytes"] = plan.weights_bytes;
  document["clock_source"] = tick_source();
  document.update(hardware_json(m.figures(), m.record.counters));
  document["repeatability"] = repeatability_json(m.record, m.latency);
  add_missing_hardware(m.record, missing);
  if (!m.record.energy_source.empty() && !m.energy_nj)
    missing["energy_nj"] = missing["energy_source"] = "the source failed midway";
  if (!missing.empty()) document["missing"] = std::move(missing);
  return document;
}

/// Roofs of what the plan's rows will execute; layers are not timed here, the whole is.
PlanRoofs bench_roofs(const Plan& plan, const MachineChoice& machine) {
  std::vector<Tally> tallies;
  for (const PlanRow& row : plan.rows) tallies.push_back(row.planned.tally);
  return roofs_of(plan, tallies, machine);
}

void add_roofs(Report& report, const Plan& plan, const PlanRoofs& roofs, double median_ns) {
  if (roofs.machine)
    report.parts.push_back({"Bytes at three levels, and roofs", roof_table(plan, roofs, {}, median_ns)});
  for (std::string& note : roof_notes(roofs))
    if (roofs.machine || note.starts_with("- roof")) report.notes.push_back(std::move(note));
  if (roofs.machine && median_ns > 0)
    report.notes.push_back(formatted("- Share reached: the roofs' {} are {:.1f} % of the median latency.",
                                     duration_text(roofs.ns), 100 * roofs.ns / median_ns));
}

/// The layers with their bytes and roofs.
void add_layers(nlohmann::ordered_json& document, const Plan& plan, const PlanRoofs& roofs, double median_ns) {
  document["layers"] = nlohmann::ordered_json::array();
  for (const PlanRow& row : plan.rows)
    document["layers"].push_back({{"name", row.name}, {"op", row.op}, {"kernel", row.kernel}, {"nodes", row.nodes}});
  document["totals"] = nlohmann::ordered_json::object();
  tools::add_roofs(document, plan, roofs, {}, median_ns);
}

int bench_command(const Options& options) {
  if (options.repeats < 0 || options.repeats > static_cast<int64_t>(kMostSamples))
    fail("--repeats", std::to_string(options.repeats), text("must be 0 to ", kMostSamples), ErrorCode::usage);
  if (!(options.seconds >= 0 && options.seconds <= 86400))
    fail("--seconds", text(options.seconds), "must be 0 to 86400", ErrorCode::usage);
  if (!(options.rate >= 0 && options.rate <= 1e12))
    fail("--rate", text(options.rate), "must be 0 to 1e12", ErrorCode::usage);
  const HeldCluster held = hold_cluster(options.measuring, options.loading.threads);
  const MachineChoice machine = choose_machine(options.machine, held.index);
  Measured m;
  const int64_t before = now_ns();
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  Context context = options.loading.stream ? make_first_step(loaded.model, options.inputs)
                                           : make_context(loaded.model, options.inputs);
  m.load_ns = now_ns() - before;
  m.planning = context.planning();
  measure(context, options, m);
  warn_where_unfit(m.record, options.output.quiet);
  const Plan& plan = context.plan();
  const PlanRoofs roofs = bench_roofs(plan, machine);
  Report report = bench_report(loaded, plan, m, options.rate);
  add_roofs(report, plan, roofs, m.latency.median);
  const auto document = [&] {
    nlohmann::ordered_json j = bench_document(loaded, plan, m, options.rate);
    add_layers(j, plan, roofs, m.latency.median);
    return j;
  };
  write_report(report, document, options.output);
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Latency and throughput, without counters");
  add_model_argument(*command, options->model);
  add_input_options(*command, options->inputs);
  command->add_option("--seconds", options->seconds, "time to spend")->type_name("S")->capture_default_str();
  command->add_option("--repeats", options->repeats, "single runs to time (0: as many as --seconds allow)")
      ->type_name("N")
      ->capture_default_str();
  add_machine_option(*command, options->machine);
  add_stream_option(*command, options->loading);
  command->add_option("--rate", options->rate, "runs a second that real time asks for, for the real-time factor")
      ->type_name("HZ");
  add_measuring_options(*command, options->measuring);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally bench lenet5.onnx --seed 1\n"
      "  tally bench resnet18.onnx --seed 1 --threads 4 --seconds 10\n"
      "  tally bench lstm.onnx --seed 1 --stream --rate 48000\n"
      "  tally bench lenet5.onnx --seed 1 --format json --output bench.json");
  command->callback([options, &action] { action = [options] { return bench_command(*options); }; });
}

}  // namespace tally::tools
