#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "tools/claims.h"
#include "tools/commands.h"
#include "tools/document.h"
#include "tools/inputs.h"
#include "tools/marker.h"
#include "tools/npy.h"
#include "tools/numbers.h"
#include "tools/report.h"
#include "tools/summary.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, folder, claims;
  std::vector<std::string> more_files;
  LoadingOptions loading;
  InputOptions inputs;
  OutputOptions output;
  bool mark = false;
};

/// One inference between markers: by the kernels that get timed, nothing else inside.
void run_marked(Context& context) {
  mark_begin();
  context.run();
  mark_end();
}

void write_outputs(const Context& context, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("folder '" + folder + "'", error.message(), "must be writable", ErrorCode::usage);
  for (size_t k = 0; k < context.plan().outputs.size(); ++k)
    write_npy(std::filesystem::path(folder) / fmt::format("output_{}.npy", k), context.output_tensor(k));
}

std::string first_values(const TensorSummary& summary, int64_t elements) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, summary.first.size()); ++i)
    text += fmt::format("{}{:.4g}", i == 0 ? "" : " ", summary.first[i]);
  return elements > static_cast<int64_t>(kShown) ? text + " …" : text;
}

Report run_report(const LoadedModel& loaded, const Context& context) {
  Report report;
  report.title = loaded.name + ": one inference";
  report.facts = {fmt::format("{} · {}", loaded.file.string(), name_of(context.plan().isa))};
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
  for (size_t k = 0; k < context.plan().outputs.size(); ++k) {
    const PlanOutput& output = context.plan().outputs[k];
    const TensorSummary s = summarize(context.output_tensor(k));
    table.rows.push_back({output.name, std::string(name_of(output.type.dtype)), to_string(output.type.shape),
                          cell(s, s.min), cell(s, s.max), cell(s, s.mean), s.not_finite,
                          first_values(s, element_count(output.type.shape))});
  }
  report.parts = {{"", std::move(table)}};
  return report;
}

nlohmann::ordered_json run_document(const LoadedModel& loaded, const Context& context) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("run", &loaded, context.plan().isa);
  ordered_json& outputs = document["outputs"] = ordered_json::array();
  for (size_t k = 0; k < context.plan().outputs.size(); ++k) {
    const PlanOutput& output = context.plan().outputs[k];
    const TensorSummary s = summarize(context.output_tensor(k));
    const auto figure = [&](double value) { return s.finite > 0 ? ordered_json(value) : ordered_json(); };
    ordered_json item{
        {"name", output.name}, {"dtype", name_of(output.type.dtype)}, {"shape", to_json(output.type.shape)}};
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

int run_command(Options options) {
  if (!options.claims.empty() && !options.mark)
    fail("--claims", "without --mark", "must come with it", ErrorCode::usage);
  options.inputs.files.insert(options.inputs.files.end(), options.more_files.begin(), options.more_files.end());
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  Context context = make_context(loaded.model, options.inputs);
  if (options.claims.empty()) {
    options.mark ? run_marked(context) : context.run();
  } else {
    RunRecord counted = context.make_record(true, false);
    context.run_recorded(counted);
    const std::string claim = claim_line(context, loaded.name, counted);
    run_marked(context);
    write_data(claim, options.claims);
  }
  context.require_complete();
  if (!options.folder.empty()) write_outputs(context, options.folder);
  write_report(
      run_report(loaded, context), [&] { return run_document(loaded, context); }, options.output);
  return 0;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "One inference");
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
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally run lenet5.onnx -i image.npy -o results\n"
      "  tally run model.onnx -i x=input_0.pb -i mask=mask.npy --dim batch=4\n"
      "  tally run model.onnx --seed 1 --isa avx2");
  command->callback([options, &action] { action = [options] { return run_command(*options); }; });
}

}  // namespace tally::tools
