#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tools/commands/commands.h"
#include "tools/estimate/explanation.h"
#include "tools/input/inputs.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, layer;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
};

/// The plan for the declared shapes, or for the inputs given where those leave some open.
std::shared_ptr<const Plan> plan_of(const Model& model, const InputOptions& inputs) {
  if (model.fully_declared()) return model.plan();
  if (inputs.files.empty()) require_dims(model);
  return make_context(model, inputs).shared_plan();
}

int explain_command(const Options& options) {
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  const std::shared_ptr<const Plan> plan = plan_of(loaded.model, options.inputs);
  const size_t layer = find_layer(plan->estimate, options.layer);
  const bool plain = !options.output.file.empty() || options.output.format == Format::md;
  std::string text;
  if (options.output.format == Format::json)
    text = as_text(explanation_document(loaded, *plan, layer));
  else if (options.output.format == Format::csv)
    text = explanation_report(loaded, *plan, layer).as_csv();
  else
    text = explanation_text(loaded, *plan, layer, plain ? 100 : table_width(), plain ? Emphasis{} : stdout_emphasis());
  if (options.output.format == Format::md) text = "```\n" + text + "```\n";
  write_data(text, options.output.file);
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("explain", "One layer's formula with its numbers, and its gap term by term");
  add_model_argument(*command, options->model);
  command->add_option("LAYER", options->layer, "a node's name, a part that no other has, or its number from 0")
      ->required()
      ->type_name("");
  add_input_options(*command, options->inputs);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally explain lenet5.onnx conv1\n"
      "  tally explain lenet5.onnx 0 --isa avx2\n"
      "  tally explain resnet18.onnx /layer1/layer1.0/conv1 --dim N=1 --format json");
  command->callback([options, &action] { action = [options] { return explain_command(*options); }; });
}

}  // namespace tally::tools
