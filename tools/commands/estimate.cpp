#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/estimate/counting_tools.h"
#include "tools/estimate/coverage.h"
#include "tools/estimate/energy_model.h"
#include "tools/estimate/estimate_report.h"
#include "tools/estimate/scopes.h"
#include "tools/estimate/storage.h"
#include "tools/estimate/sweep.h"
#include "tools/estimate/what_if.h"
#include "tools/input/inputs.h"
#include "tools/machine/prediction.h"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, machine;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  bool allow_unknown = false;
  int depth = 0;                   ///< 0: no sums by scope
  std::vector<std::string> as;     ///< other tools
  std::vector<std::string> sweep;  ///< NAME=N,N
  std::string plot;
  bool coverage = false, training = false;
  EnergyOptions energy;
  std::string what_if;
};

/// What is given of the inputs, where a model's shapes are open or depend on inputs' values.
struct Given {
  std::map<std::string, Shape> shapes;
  std::map<std::string, Tensor> values;
};
Given given_inputs(const Model& model, const InputOptions& inputs) {
  Given given;
  if (model.fully_declared() || (inputs.files.empty() && !inputs.seed)) return given;
  const std::vector<std::string>& carrying = model.shape_carrying();
  for (const auto& [name, tensor] : read_inputs(model, inputs)) {
    if (std::find(carrying.begin(), carrying.end(), name) != carrying.end())
      given.values.emplace(name, tensor);
    else
      given.shapes.emplace(name, tensor.shape());
  }
  return given;
}

/// Parts that were asked for; in tables they stand in the layers' stead.
struct Sections {
  std::vector<ReportPart> parts;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, nlohmann::ordered_json>> json;

  void add(const std::string& key, ReportPart part, nlohmann::ordered_json value) {
    parts.push_back(std::move(part));
    json.emplace_back(key, std::move(value));
  }
};

Sections asked_sections(const Options& options, const Estimate& estimate, const Graph& graph) {
  Sections sections;
  if (options.depth > 0) {
    const std::vector<ScopeSum> sums = scope_sums(estimate, options.depth);
    sections.add("scopes", scope_part(sums), scope_json(sums));
    if (sums.size() == 1) sections.notes.push_back("No node says to which module it belongs.");
  }
  nlohmann::ordered_json counts = nlohmann::ordered_json::array();
  const std::vector<ToolCount> other_tools = counts_as(options.as, estimate, graph);
  if (other_tools.size() > 1) sections.parts.push_back(counting_summary_part(other_tools));
  for (const ToolCount& count : other_tools) {
    sections.parts.push_back(counting_part(count));
    sections.notes.push_back(formatted("{}: {}", count.tool->version, count.tool->source));
    counts.push_back(counting_json(count));
  }
  if (!options.as.empty()) {
    sections.json.emplace_back("as", std::move(counts));
    sections.notes.push_back(
        "Another tool sees a framework's modules or the file's nodes; here every node stands for the module or "
        "function that exports as it. What an export has folded or split is counted as it now stands.");
  }
  if (options.coverage) sections.parts.push_back(coverage_part(coverage_ledger(estimate)));
  if (options.training) sections.add("training", training_part(estimate), training_json(estimate));
  if (options.energy.asked) {
    const std::vector<EnergyRow> rows = energy_rows(estimate, options.energy);
    sections.add("energy", energy_part(rows, options.energy), energy_json(rows, options.energy));
    for (std::string& note : energy_notes(options.energy)) sections.notes.push_back(std::move(note));
  }
  if (!options.what_if.empty()) {
    const std::vector<VariantCost> costs = variant_costs(estimate, graph, parse_what_if(options.what_if));
    sections.add("what_if", what_if_part(costs), what_if_json(costs));
    sections.notes.push_back("Variants are formulas applied to shapes (approximate): nothing is known of accuracy.");
  }
  return sections;
}

int estimate_whole(const Options& options, const LoadOptions& load) {
  const LoadedModel loaded = load_model(options.model, load);
  const Given given = given_inputs(loaded.model, options.inputs);
  const Estimate estimate = loaded.model.estimate(given.shapes, given.values);
  Sections sections = asked_sections(options, estimate, loaded.model.graph());
  Report report = estimate_report(loaded, estimate);
  if (!sections.parts.empty())
    for (ReportPart& part : report.parts) part.only_csv = true;
  for (ReportPart& part : sections.parts) report.parts.push_back(std::move(part));
  report.notes.insert(report.notes.begin(), sections.notes.begin(), sections.notes.end());
  std::optional<Prediction> prediction;
  if (!options.machine.empty()) {
    prediction = predict(loaded.model.fused(given.shapes, given.values), estimate.totals.peak_activation_bytes,
                         read_machine_file(options.machine), load.threads);
    add_prediction(report, *prediction);
  }
  write_report(
      report,
      [&] {
        nlohmann::ordered_json document = estimate_document(loaded, estimate);
        for (const auto& [key, value] : sections.json) document[key] = value;
        if (prediction) add_prediction(document, *prediction);
        return document;
      },
      options.output);
  return 0;
}

int estimate_sweep(const Options& options, const LoadOptions& load) {
  const std::vector<SweepAxis> axes = parse_sweep(options.sweep);
  if (!options.inputs.files.empty() || options.inputs.seed)
    fail("--sweep", "with -i or --seed", "must stand without: it estimates from declared extents", ErrorCode::usage);
  const LoadedModel loaded = load_model(options.model, load);
  const std::vector<SweepPoint> points = run_sweep(loaded.model.graph(), load, axes);
  Report report;
  report.title = loaded.name + ": what it should cost, swept";
  report.facts = {loaded.file.string()};
  report.parts = sweep_parts(axes, points, options.plot);
  report.notes = {"Analytic: nothing was executed."};
  write_report(
      report,
      [&] {
        nlohmann::ordered_json document = new_document("sweep", &loaded, std::nullopt);
        document["sweep"] = sweep_json(axes, points);
        return document;
      },
      options.output);
  return 0;
}

int estimate_command(const Options& options) {
  LoadOptions load = options.loading.parsed();
  load.weights = false;
  load.allow_unknown = options.allow_unknown;
  return options.sweep.empty() ? estimate_whole(options, load) : estimate_sweep(options, load);
}

/// What makes other tables than the layers'.
void add_section_options(CLI::App& command, Options& options) {
  std::string tools;
  for (const CountingTool& tool : counting_tools()) tools += std::string(tool.name) + ", ";
  const std::vector<CLI::Option*> sections = {
      command.add_option("--depth", options.depth, "sums by scope, N levels deep")
          ->type_name("N")
          ->check(CLI::Range(1, 64).description("")),
      command
          .add_option("--as", options.as,
                      "the number that another tool would print, and why it differs: " + tools + "all")
          ->type_name("TOOL")
          ->delimiter(',')
          ->allow_extra_args(false),
      command.add_flag("--coverage", options.coverage, "which costs are exact, approximate, free or unknown, and why"),
      command.add_flag("--training", options.training, "what training holds: values, gradients, optimizers' states"),
      command.add_flag("--energy", options.energy.asked, "modelled energy and CO₂ of an inference"),
      command.add_option("--what-if", options.what_if, "smaller variants beside it: dtype=int8,prune=0.5,rank=0.25")
          ->type_name("CHANGES")};
  CLI::Option* sweep = command.add_option(
      "--sweep", options.sweep,
      "estimates at several extents of a symbolic dimension, of batch, or of INPUT.AXIS; may be repeated");
  sweep->type_name("NAME=N,N…")->allow_extra_args(false);
  for (CLI::Option* section : sections) sweep->excludes(section);
  command.add_option("--plot", options.plot, "draw a figure of the sweep as bars")
      ->type_name("FIGURE")
      ->check(CLI::IsMember(sweep_figures()).description(""))
      ->needs(sweep);
}

/// Why it is no energy; empty where it is one. NaN is outside every range, which CLI::Range does not see.
std::string in_range(const std::string& text) {
  double value = -1;
  return CLI::detail::lexical_cast(text, value) && value >= 0 && value <= 1e9 ? "" : text + " must be 0 to 1e9";
}

void add_energy_options(CLI::App& command, EnergyOptions& energy) {
  const auto add = [&](const char* name, auto& value, const char* what, const char* unit) {
    return command.add_option(name, value, what)
        ->type_name(unit)
        ->check(CLI::Validator(in_range, ""))
        ->needs("--energy");
  };
  add("--pj-per-mac", energy.pj_per_mac, "energy: picojoules a MAC, instead of the table's", "PJ");
  add("--pj-per-byte", energy.pj_per_byte, "energy: picojoules a byte, instead of the table's", "PJ");
  add("--grid", energy.grid_g_per_kwh, "energy: grams of CO₂ a kilowatt-hour", "G")->capture_default_str();
}

}  // namespace

void add_estimate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("estimate", "What a model should cost, layer by layer; executes nothing");
  add_model_argument(*command, options->model);
  command->add_flag("--allow-unknown", options->allow_unknown, "give operators of unknown cost a row without figures");
  add_section_options(*command, *options);
  add_energy_options(*command, options->energy);
  command
      ->add_option("--machine", options->machine,
                   "predict the latency on a machine: its file, or a name that comes with the program")
      ->type_name("FILE");
  add_loading_options(*command, options->loading);
  add_input_options(*command, options->inputs);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally estimate lenet5.onnx\n"
      "  tally estimate bert.onnx --dim batch=1 --dim sequence=128\n"
      "  tally estimate resnet50.onnx --depth 2\n"
      "  tally estimate resnet50.onnx --as all\n"
      "  tally estimate mobilenet.onnx --sweep batch=1,8,64 --plot macs\n"
      "  tally estimate resnet50.onnx --training --energy --what-if dtype=int8,prune=0.5\n"
      "  tally estimate lenet5.onnx --machine raspberry-pi-4\n"
      "  tally estimate resnet50.onnx --format csv --output layers.csv");
  command->callback([options, &action] { action = [options] { return estimate_command(*options); }; });
}

}  // namespace tally::tools
