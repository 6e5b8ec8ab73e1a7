#include <memory>
#include <optional>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/compare/comparison.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

struct Options {
  std::string a, b;
  OutputOptions output;
  std::optional<double> fail_above;
  bool each_layer = false;
};

int compare_command(const Options& options) {
  if (options.each_layer && !options.fail_above)
    fail("--each-layer", "without --fail-above", "must come with it", ErrorCode::usage);
  if (options.fail_above && !(*options.fail_above >= 0 && *options.fail_above <= 1e6))
    fail("--fail-above", text(*options.fail_above), "must be 0 to 1000000", ErrorCode::usage);
  const Comparison comparison = compare(read_recording(options.a), read_recording(options.b));
  std::vector<std::string> failures;
  if (options.fail_above) failures = excesses(comparison, *options.fail_above, options.each_layer);
  write_report(
      comparison_report(comparison), [&] { return comparison_document(comparison, failures); }, options.output);
  for (const std::string& failure : failures) message(failure, options.output.quiet);
  return failures.empty() ? 0 : 1;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("compare", "Two profiles, benches, estimates or ledgers, layer by layer");
  command->add_option("A", options->a, "JSON that tally wrote")->required()->type_name("");
  command->add_option("B", options->b, "JSON of the same kind")->required()->type_name("");
  command
      ->add_option("--fail-above", options->fail_above,
                   "exit 1 where B's time (of estimates params, MACs, bytes) exceeds A's by more")
      ->type_name("PERCENT");
  command->add_flag("--each-layer", options->each_layer, "with --fail-above: or that of any layer");
  add_output_options(*command, options->output);
  command->footer(
      "Layers are paired by the ONNX nodes that they share, so that a layer that absorbed another stands beside both;\n"
      "renamed ones by operator, shape and order.\n\n"
      "Examples:\n"
      "  tally profile model.onnx --seed 1 --format json --output before.json\n"
      "  tally compare before.json after.json\n"
      "  tally compare before.json after.json --fail-above 5 --format md");
  command->callback([options, &action] { action = [options] { return compare_command(*options); }; });
}

}  // namespace tally::tools
