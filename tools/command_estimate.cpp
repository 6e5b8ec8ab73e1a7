#include <memory>

#include "tools/commands.h"
#include "tools/estimate_report.h"
#include "tools/inputs.h"
#include "tools/prediction.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, machine;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  bool allow_unknown = false;
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

int estimate_command(const Options& options) {
  LoadOptions load = options.loading.parsed();
  load.weights = false;
  load.allow_unknown = options.allow_unknown;
  const LoadedModel loaded = load_model(options.model, load);
  const Given given = given_inputs(loaded.model, options.inputs);
  const Estimate estimate = loaded.model.estimate(given.shapes, given.values);
  Report report = estimate_report(loaded, estimate);
  std::optional<Prediction> prediction;
  if (!options.machine.empty()) {
    prediction = predict(loaded.model.fused(given.shapes, given.values), estimate.totals.peak_activation_bytes,
                         read_machine_file(options.machine), load.threads);
    add_prediction(report, *prediction);
  }
  const auto document = [&] {
    nlohmann::ordered_json j = estimate_document(loaded, estimate);
    if (prediction) add_prediction(j, *prediction);
    return j;
  };
  write_report(report, document, options.output);
  return 0;
}

}  // namespace

void add_estimate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("estimate", "What a model should cost, layer by layer; executes nothing");
  add_model_argument(*command, options->model);
  command->add_flag("--allow-unknown", options->allow_unknown, "give operators of unknown cost a row without figures");
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
      "  tally estimate lenet5.onnx --machine raspberry-pi-4\n"
      "  tally estimate resnet50.onnx --format csv --output layers.csv");
  command->callback([options, &action] { action = [options] { return estimate_command(*options); }; });
}

}  // namespace tally::tools
