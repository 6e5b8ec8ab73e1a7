#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/engine/isa_choice.h"
#include "tools/commands/commands.h"
#include "tools/estimate/operators.h"
#include "tools/input/options.h"

namespace tally::tools {

namespace {

struct Options {
  LoadingOptions loading;
  OutputOptions output;
  std::vector<std::string> names;
};

/// Those asked for, else all. Throws Error(usage) on a name that is no operator of ONNX that Tally knows.
std::vector<OperatorFacts> chosen(std::vector<OperatorFacts> all, const std::vector<std::string>& names) {
  if (names.empty()) return all;
  for (const std::string& name : names) {
    if (std::any_of(all.begin(), all.end(), [&](const OperatorFacts& f) { return f.row.op == name; })) continue;
    const std::string_view why = out_of_scope("", name);
    fail("operator", "'" + name + "'",
         why.empty() ? "must be supported" : text("must be in scope, which excludes ", why), ErrorCode::usage);
  }
  std::erase_if(all,
                [&](const OperatorFacts& f) { return std::find(names.begin(), names.end(), f.row.op) == names.end(); });
  return all;
}

int ops_command(const Options& options) {
  const LoadOptions load = options.loading.parsed();
  std::vector<Isa> isas;
  for (const Isa isa : built_isas())
    if (load.isa ? isa == choose_isa(load.isa) : usable(isa)) isas.push_back(isa);
  const std::vector<OperatorFacts> operators = chosen(operator_facts(isas), options.names);
  write_report(
      operators_report(operators), [&] { return operators_document(operators, isas); }, options.output);
  return 0;
}

}  // namespace

void add_ops(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("ops", "The operators: opsets, element types, kernels, coverage of their costs");
  command->add_option("OPERATOR", options->names, "those to list (default: all)")->type_name("");
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Every answer is asked of the operator's own layer, by example; docs/operators.md is what --format md prints.\n\n"
      "Examples:\n"
      "  tally ops\n"
      "  tally ops Conv MatMul\n"
      "  tally ops --isa avx2 --format json\n"
      "  tally ops --format md --output docs/operators.md");
  command->callback([options, &action] { action = [options] { return ops_command(*options); }; });
}

}  // namespace tally::tools
