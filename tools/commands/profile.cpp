#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tools/commands/commands.h"
#include "tools/input/inputs.h"
#include "tools/machine/roofs.h"
#include "tools/measure/counted_fetches.h"
#include "tools/measure/measurement.h"
#include "tools/measure/profile_report.h"
#include "tools/measure/step_ledger.h"
#include "tools/measure/trace.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, machine, trace;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  ProfileOptions profile;
  MeasuringOptions measuring;
  bool every_gap = false, no_overhead = false, per_step = false;
};

/// Runs, or time steps, in a trace: enough to see what varies, few enough to be read.
constexpr int kTracedRuns = 10, kTracedSteps = 200;

void trace_per_step(const LoadedModel& step, const Options& options) {
  Context context(step.model);
  Sequence sequence(context, read_inputs(step.model, options.inputs));
  write_trace(step, context.plan(), trace_steps(context, sequence, kTracedSteps), options.trace);
}

int profile_per_step(const Options& options, const ProfileOptions& how) {
  const HeldCluster held = hold_cluster(options.measuring, options.loading.threads);
  LoadOptions load = options.loading.parsed();
  const LoadedModel whole = load_model(options.model, load);
  load.stream = true;
  const LoadedModel step = load_model(options.model, load);
  Progress progress(options.output.quiet);
  progress.show("profiling " + step.name + " step by step …");
  const StepLedger ledger = make_ledger(step, whole, options.inputs, how, options.measuring);
  if (!options.trace.empty()) trace_per_step(step, options);
  progress.wipe();
  warn_where_unfit(ledger.record, options.output.quiet);
  write_report(
      ledger_report(step, ledger), [&] { return ledger_document(step, ledger); }, options.output);
  return 0;
}

/// Bytes and roofs of a profile, beside what it measured.
class ProfileRoofs {
 public:
  ProfileRoofs(const Profile& profile, const MachineChoice& machine, const CounterRecord& counters)
      : profile_(profile) {
    std::vector<Tally> tallies;
    for (const ProfileRow& row : profile.rows) {
      tallies.push_back(row.executed);
      measured_ns_.push_back(row.ns.median);
    }
    roofs_ = roofs_of(*profile.plan, tallies, machine);
    fetches_ = counted_fetches(profile, roofs_, counters);
  }
  void add_to(Report& report) const {
    report.parts.insert(report.parts.begin() + 1,
                        {roofs_.machine ? "Bytes at three levels, and roofs" : "Bytes at three levels",
                         roof_table(*profile_.plan, roofs_, measured_ns_, profile_.plain_ns.median)});
    if (!fetches_.levels.empty())
      report.parts.insert(report.parts.begin() + 2,
                          {"Bytes fetched past caches, modelled and counted", fetch_table(profile_, roofs_, fetches_)});
    for (std::string& note : roof_notes(roofs_)) report.notes.push_back(std::move(note));
    if (!fetches_.levels.empty()) report.notes.push_back(fetch_note(fetches_));
  }
  void add_to(nlohmann::ordered_json& document) const {
    add_roofs(document, *profile_.plan, roofs_, measured_ns_, profile_.plain_ns.median);
    add_counted_fetches(document, roofs_, fetches_);
  }

 private:
  const Profile& profile_;
  PlanRoofs roofs_;
  CountedFetches fetches_;
  std::vector<double> measured_ns_;
};

int profile_command(const Options& options) {
  ProfileOptions how = options.profile;
  if (how.repeats < 0 || how.repeats > 10'000'000)
    fail("--repeats", std::to_string(how.repeats), "must be 0 to 10000000", ErrorCode::usage);
  if (!(how.seconds >= 0 && how.seconds <= 86400))
    fail("--seconds", text(how.seconds), "must be 0 to 86400", ErrorCode::usage);
  how.measure_overhead = !options.no_overhead;
  if (options.per_step) return profile_per_step(options, how);
  const HeldCluster held = hold_cluster(options.measuring, options.loading.threads);
  const MachineChoice machine = choose_machine(options.machine, held.index);
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  Context context = make_context(loaded.model, options.inputs);
  Progress progress(options.output.quiet);
  progress.show("profiling " + loaded.name + " …");
  Measurement measurement(context, options.measuring);
  how.counters = measurement.counters();
  how.energy = measurement.energy();
  const Profile result = profile(context, how);
  const MeasurementRecord record = measurement.finish(result.plain_ns, result.warmup, result.running_share);
  progress.show("modelling caches for " + loaded.name + " …");
  const ProfileRoofs roofs(result, machine, record.counters);
  progress.wipe();
  if (!options.trace.empty()) write_trace(loaded, context.plan(), trace_runs(context, kTracedRuns), options.trace);
  if (result.broken_law) fail("profile", "a law of counting is broken: " + *result.broken_law, "", ErrorCode::internal);
  warn_where_unfit(record, options.output.quiet);
  Report report = profile_report(loaded, result, record, options.every_gap);
  roofs.add_to(report);
  const auto document = [&] {
    nlohmann::ordered_json j = profile_document(loaded, result, record);
    roofs.add_to(j);
    return j;
  };
  write_report(report, document, options.output);
  return 0;
}

}  // namespace

void add_profile(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("profile", "What every layer should cost, what its kernels did, what it took");
  add_model_argument(*command, options->model);
  add_input_options(*command, options->inputs);
  command->add_option("--repeats", options->profile.repeats, "timed runs (0: as many as --seconds allow)")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seconds", options->profile.seconds, "time for the timed runs")
      ->type_name("S")
      ->capture_default_str();
  add_machine_option(*command, options->machine);
  command->add_flag("--gaps", options->every_gap, "the gap's terms layer by layer, however many layers there are");
  command->add_flag("--no-overhead", options->no_overhead, "do not time what counting costs");
  command->add_flag("--per-step", options->per_step,
                    "a model of whole sequences step by step: MACs, bytes, state and time of every step");
  command
      ->add_option("--trace", options->trace,
                   "write ten more runs (with --per-step the first 200 steps) on a time axis, for ui.perfetto.dev")
      ->type_name("FILE");
  add_measuring_options(*command, options->measuring);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally profile lenet5.onnx --seed 1\n"
      "  tally profile lenet5.onnx -i image.npy --isa avx2 --seconds 2\n"
      "  tally profile lenet5.onnx --seed 1 --machine pi.json\n"
      "  tally profile lstm.onnx --seed 1 --per-step\n"
      "  tally profile lenet5.onnx --seed 1 --counters require\n"
      "  tally profile mobilenet.onnx --seed 1 --threads 4 --format json --output profile.json");
  command->callback([options, &action] { action = [options] { return profile_command(*options); }; });
}

}  // namespace tally::tools
