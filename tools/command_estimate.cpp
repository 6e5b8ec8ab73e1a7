#include <memory>

#include "tools/commands.h"
#include "tools/estimate_report.h"
#include "tools/inputs.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  bool allow_unknown = false;
};

/// Costs of the model; where its shapes are open, or depend on inputs' values, with the inputs given.
Estimate estimate_model(const Model& model, const InputOptions& inputs) {
  if (model.fully_declared() || (inputs.files.empty() && !inputs.seed)) return model.estimate();
  std::map<std::string, Shape> shapes;
  std::map<std::string, Tensor> values;
  const std::vector<std::string>& carrying = model.shape_carrying();
  for (const auto& [name, tensor] : read_inputs(model, inputs)) {
    if (std::find(carrying.begin(), carrying.end(), name) != carrying.end())
      values.emplace(name, tensor);
    else
      shapes.emplace(name, tensor.shape());
  }
  return model.estimate(shapes, values);
}

int estimate_command(const Options& options) {
  LoadOptions load = options.loading.parsed();
  load.weights = false;
  load.allow_unknown = options.allow_unknown;
  const LoadedModel loaded = load_model(options.model, load);
  const Estimate estimate = estimate_model(loaded.model, options.inputs);
  write_report(
      estimate_report(loaded, estimate), [&] { return estimate_document(loaded, estimate); }, options.output);
  return 0;
}

}  // namespace

void add_estimate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("estimate", "What a model should cost, layer by layer; executes nothing");
  add_model_argument(*command, options->model);
  command->add_flag("--allow-unknown", options->allow_unknown, "give operators of unknown cost a row without figures");
  add_loading_options(*command, options->loading);
  add_input_options(*command, options->inputs);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally estimate lenet5.onnx\n"
      "  tally estimate bert.onnx --dim batch=1 --dim sequence=128\n"
      "  tally estimate resnet50.onnx --format csv --output layers.csv");
  command->callback([options, &action] { action = [options] { return estimate_command(*options); }; });
}

}  // namespace tally::tools
