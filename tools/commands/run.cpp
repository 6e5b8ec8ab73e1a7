#include <algorithm>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tools/commands/commands.h"
#include "tools/input/inputs.h"
#include "tools/input/npy.h"
#include "tools/input/sequence.h"
#include "tools/measure/claims.h"
#include "tools/measure/marker.h"
#include "tools/measure/trace.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"
#include "tools/output/report.h"
#include "tools/output/summary.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, folder, claims, trace;
  std::vector<std::string> more_files;
  LoadingOptions loading;
  InputOptions inputs;
  SteppingOptions stepping;
  OutputOptions output;
  bool mark = false;

  bool over_time() const { return loading.stream || stepping.steps > 0 || !stepping.feeds.empty(); }
};

/// What came of it: one inference, or as many as there were steps.
struct Results {
  std::vector<Tensor> outputs;  ///< by position of the plan's outputs
  int64_t steps = 1;
};

/// One inference between markers: by the kernels that get timed, nothing else inside.
void run_marked(Context& context) {
  run_between_markers([&] { context.run(); });
}

void write_outputs(const std::vector<Tensor>& outputs, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    fail("folder '" + folder + "'", "cannot be made: " + error.message(), "must be writable", ErrorCode::usage);
  for (size_t k = 0; k < outputs.size(); ++k)
    write_npy(std::filesystem::path(folder) / formatted("output_{}.npy", k), outputs[k]);
}

std::string first_values(const TensorSummary& summary, int64_t elements) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, summary.first.size()); ++i)
    text += formatted("{}{:.4g}", i == 0 ? "" : " ", summary.first[i]);
  return elements > static_cast<int64_t>(kShown) ? text + " …" : text;
}

Report run_report(const LoadedModel& loaded, const Context& context, const Results& results) {
  Report report;
  report.title = loaded.name + (results.steps == 1 ? ": one inference" : formatted(": {} time steps", results.steps));
  report.facts = {formatted("{} · {}", loaded.file.string(), name_of(context.plan().isa))};
  Table table;
  table.columns = {{"name", "output", Unit::text, "", 8},
                   {"dtype", "type"},
                   {"shape", "shape", Unit::text, "", 8},
                   {"min", "min", Unit::number},
                   {"max", "max", Unit::number},
                   {"mean", "mean", Unit::number},
                   {.key = "not_finite", .title = "not finite", .unit = Unit::count, .hide_zeros = true},
                   {"first", "first values", Unit::text, "", 20}};
  const auto cell = [](const TensorSummary& s, double value) { return s.finite > 0 ? Cell(value) : Cell(); };
  for (size_t k = 0; k < results.outputs.size(); ++k) {
    const Tensor& output = results.outputs[k];
    const TensorSummary s = summarize(output);
    table.rows.push_back({context.plan().outputs[k].name, std::string(name_of(output.dtype())),
                          to_string(output.shape()), cell(s, s.min), cell(s, s.max), cell(s, s.mean), s.not_finite,
                          first_values(s, output.elements())});
  }
  report.parts = {{"", std::move(table)}};
  return report;
}

nlohmann::ordered_json run_document(const LoadedModel& loaded, const Context& context, const Results& results) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("run", &loaded, context.plan().isa);
  document["steps"] = results.steps;
  ordered_json& outputs = document["outputs"] = ordered_json::array();
  for (size_t k = 0; k < results.outputs.size(); ++k) {
    const Tensor& output = results.outputs[k];
    const TensorSummary s = summarize(output);
    const auto figure = [&](double value) { return s.finite > 0 ? ordered_json(value) : ordered_json(); };
    ordered_json item{{"name", context.plan().outputs[k].name},
                      {"dtype", name_of(output.dtype())},
                      {"shape", to_json(output.shape())}};
    item["min"] = figure(s.min);
    item["max"] = figure(s.max);
    item["mean"] = figure(s.mean);
    item["not_finite"] = s.not_finite;
    item["first"] = s.first;
    if (s.finite == 0)
      item["missing"] = {{"min", "no finite element"}, {"max", "no finite element"}, {"mean", "no finite element"}};
    outputs.push_back(std::move(item));
  }
  return document;
}

/// Time steps in a trace; more would be no picture.
constexpr int64_t kTracedSteps = 1000;

/// One inference; where asked for, between markers, with the claim of a counted one.
Results run_once(const LoadedModel& loaded, Context& context, const Options& options) {
  if (!options.claims.empty()) {
    RunRecord counted = context.make_record(true, false);
    context.run_recorded(counted);
    write_data(claim_line(context, loaded.name, counted, 0), options.claims);
  }
  options.mark ? run_marked(context) : context.run();
  Results results;
  for (size_t k = 0; k < context.plan().outputs.size(); ++k) results.outputs.push_back(context.output_tensor(k));
  return results;
}

/// All steps of a sequence; where asked for, each between markers, with a claim a step.
Results run_steps(const LoadedModel& loaded, Context& context, Sequence& sequence, const Options& options) {
  if (!options.claims.empty()) {
    std::string claims;
    RunRecord counted = context.make_record(true, false);
    sequence.begin();
    for (int64_t step = 0; step < sequence.steps(); ++step) {
      sequence.enter(step);
      context.run_recorded(counted);
      claims += claim_line(context, formatted("{} step {}", loaded.name, step), counted, step);
      sequence.leave(step);
    }
    write_data(claims, options.claims);
  }
  Progress progress(options.output.quiet);
  sequence.begin();
  for (int64_t step = 0; step < sequence.steps(); ++step) {
    sequence.enter(step);
    options.mark ? run_marked(context) : context.run();
    sequence.leave(step);
    if (progress.due())
      progress.show(formatted("{} / {} steps", with_thousands(step), with_thousands(sequence.steps())));
  }
  progress.wipe();
  return {sequence.outputs(), sequence.steps()};
}

int run_command(Options options) {
  if (!options.claims.empty() && !options.mark)
    fail("--claims", "without --mark", "must come with it", ErrorCode::usage);
  options.inputs.files.insert(options.inputs.files.end(), options.more_files.begin(), options.more_files.end());
  options.inputs.fed = options.stepping.feeds;
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  Context context(loaded.model);
  Results results;
  if (options.over_time()) {
    Sequence sequence(context, read_inputs(loaded.model, options.inputs), options.stepping.steps,
                      options.stepping.feeds);
    check_isa(context);
    results = run_steps(loaded, context, sequence, options);
    if (!options.trace.empty())
      write_trace(loaded, context.plan(), trace_steps(context, sequence, kTracedSteps), options.trace);
  } else {
    context.feed(read_inputs(loaded.model, options.inputs));
    check_isa(context);
    results = run_once(loaded, context, options);
    if (!options.trace.empty()) write_trace(loaded, context.plan(), trace_runs(context, 1), options.trace);
  }
  context.require_complete();
  if (!options.folder.empty()) write_outputs(results.outputs, options.folder);
  write_report(
      run_report(loaded, context, results), [&] { return run_document(loaded, context, results); }, options.output);
  return 0;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "One inference, or a sequence of time steps");
  add_model_argument(*command, options->model);
  command->add_option("FILE", options->more_files, "inputs, like -i FILE")->type_name("");
  add_input_options(*command, options->inputs);
  command
      ->add_option("-o,--output-dir", options->folder, "write output_0.npy, output_1.npy … there (bfloat16 as float32)")
      ->type_name("DIR");
  command->add_flag("--mark", options->mark, "execute marker no-ops around the inference, for emulators");
  command
      ->add_option("--claims", options->claims,
                   "with --mark: write what a counted run executed, for tools/qemu/judge.py")
      ->type_name("FILE");
  command
      ->add_option("--trace", options->trace,
                   "write one more run (or up to 1000 steps) layer by layer on a time axis, for ui.perfetto.dev")
      ->type_name("FILE");
  add_stream_option(*command, options->loading);
  add_stepping_options(*command, options->stepping);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Over time: with --stream a model of whole sequences runs one time step a time, on whole inputs, and gives "
      "whole\n"
      "outputs. With --steps or --feed the model is itself one step: inputs of one dimension more than it declares "
      "hold "
      "a\nstep in each element of their first, and outputs gain such a dimension.\n\n"
      "Examples:\n"
      "  tally run lenet5.onnx -i image.npy -o results\n"
      "  tally run lstm.onnx -i sequence.npy --stream\n"
      "  tally run vad.onnx -i input=audio_frames.npy --feed stateN=state --steps 200 -o results\n"
      "  tally run model.onnx -i x=input_0.pb -i mask=mask.npy --dim batch=4\n"
      "  tally run model.onnx --seed 1 --isa avx2");
  command->callback([options, &action] { action = [options] { return run_command(*options); }; });
}

}  // namespace tally::tools
