#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tools/commands/commands.h"
#include "tools/compare/verify_tree.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model;
  std::vector<std::string> folders;
  LoadingOptions loading;
  OutputOptions output;
  Tolerance tolerance;
  bool recursive = false;
};

Report verify_report(const LoadedModel& loaded, const std::vector<DataSetResult>& results, const Tolerance& tolerance) {
  Report report;
  const auto agreeing =
      std::count_if(results.begin(), results.end(), [](const DataSetResult& r) { return r.agrees(); });
  report.title = formatted("{}: {} of {} data sets agree", loaded.name, agreeing, results.size());
  report.facts = {loaded.file.string() + " · " + tolerance_text(tolerance)};
  Table table;
  table.columns = {{"data_set", "data set", Unit::text, "", 12},
                   {"output", "output", Unit::text, "", 8},
                   {"elements", "elements", Unit::count},
                   {"differing", "differing", Unit::count},
                   {"largest_difference", "largest diff.", Unit::number},
                   {"result", "result"}};
  for (const DataSetResult& result : results) {
    for (const OutputAgreement& output : result.outputs) {
      const Agreement& a = output.agreement;
      table.rows.push_back(
          {result.folder.filename().string(), output.name, a.elements, a.mismatch.empty() ? Cell(a.differing) : Cell(),
           a.mismatch.empty() ? Cell(a.largest_difference) : Cell(), std::string(a.agrees() ? "agrees" : "DIFFERS")});
      if (!a.agrees())
        report.notes.push_back("- " + result.folder.filename().string() + ": worst " + describe_difference(output));
    }
  }
  report.parts = {{"", std::move(table)}};
  return report;
}

nlohmann::ordered_json verify_document(const LoadedModel& loaded, const std::vector<DataSetResult>& results,
                                       const Tolerance& tolerance) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("verify", &loaded, loaded.model.isa());
  document["rtol"] = tolerance.rtol;
  document["atol"] = tolerance.atol;
  int64_t passed = 0;
  ordered_json sets = ordered_json::array();
  for (const DataSetResult& result : results) {
    passed += result.agrees() ? 1 : 0;
    ordered_json outputs = ordered_json::array();
    for (const OutputAgreement& output : result.outputs) {
      const Agreement& a = output.agreement;
      ordered_json item{{"name", output.name},
                        {"agrees", a.agrees()},
                        {"elements", a.elements},
                        {"differing", a.differing},
                        {"largest_difference", a.largest_difference}};
      if (!a.mismatch.empty()) item["mismatch"] = a.mismatch;
      if (a.worst >= 0)
        item["worst"] = {
            {"index", index_text(a.worst, output.shape)}, {"got", a.worst_got}, {"expected", a.worst_expected}};
      outputs.push_back(std::move(item));
    }
    sets.push_back(
        {{"data_set", result.folder.string()}, {"agrees", result.agrees()}, {"outputs", std::move(outputs)}});
  }
  document["passed"] = passed;
  document["failed"] = static_cast<int64_t>(results.size()) - passed;
  document["data_sets"] = std::move(sets);
  return document;
}

int verify_tree(const Options& options) {
  const LoadOptions load = options.loading.parsed();
  std::vector<std::filesystem::path> folders = model_folders(options.model);
  for (const std::string& more : options.folders)
    for (const std::filesystem::path& folder : model_folders(more)) folders.push_back(folder);
  if (folders.empty()) fail("folder '" + options.model + "'", "no model.onnx below it", "must hold model folders");
  std::vector<TreeCase> cases;
  Progress progress(options.output.quiet);
  for (const std::filesystem::path& folder : folders) {
    if (progress.due())
      progress.show(formatted("{} / {}  {}", cases.size(), folders.size(), folder.filename().string()));
    cases.push_back(check_folder(folder, load, options.tolerance));
  }
  progress.wipe();
  const Isa isa = load.isa.value_or(best_isa());
  write_report(
      tree_report(cases, options.model, options.tolerance),
      [&] { return tree_document(cases, options.tolerance, isa); }, options.output);
  const bool failed =
      std::any_of(cases.begin(), cases.end(), [](const TreeCase& c) { return c.outcome == Outcome::failed; });
  const bool passed =
      std::any_of(cases.begin(), cases.end(), [](const TreeCase& c) { return c.outcome == Outcome::passed; });
  if (!failed && !passed)
    fail("folder '" + options.model + "'", "every case was skipped", "must hold one that can be checked");
  return failed ? 1 : 0;
}

int verify_command(const Options& options) {
  for (const auto& [name, value] :
       {std::pair("--rtol", options.tolerance.rtol), std::pair("--atol", options.tolerance.atol)})
    if (!(value >= 0)) fail(name, text(value), "must be >= 0", ErrorCode::usage);
  if (options.recursive || is_tree(options.model)) return verify_tree(options);
  const LoadedModel loaded = load_model(options.model, options.loading.parsed());
  std::vector<std::filesystem::path> sets;
  for (const std::string& folder : options.folders)
    for (const std::filesystem::path& set : data_sets_of(folder)) sets.push_back(set);
  if (options.folders.empty()) sets = data_sets_near(loaded.file);
  Context context(loaded.model);
  std::vector<DataSetResult> results;
  Progress progress(options.output.quiet);
  for (const std::filesystem::path& set : sets) {
    if (progress.due()) progress.show(formatted("{} / {}  {}", results.size(), sets.size(), set.filename().string()));
    results.push_back(check_data_set(context, set, options.tolerance));
  }
  progress.wipe();
  write_report(
      verify_report(loaded, results, options.tolerance),
      [&] { return verify_document(loaded, results, options.tolerance); }, options.output);
  return std::all_of(results.begin(), results.end(), [](const DataSetResult& r) { return r.agrees(); }) ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("verify", "Compares with stored answers; exit code 1 where they differ");
  add_model_argument(*command, options->model);
  command->add_option("DIR", options->folders, "data sets, or folders of them (default: next to the model)")
      ->type_name("");
  command->add_option("--rtol", options->tolerance.rtol, "relative tolerance")->type_name("R")->capture_default_str();
  command->add_option("--atol", options->tolerance.atol, "absolute tolerance")->type_name("A")->capture_default_str();
  command->add_flag("--recursive", options->recursive,
                    "MODEL is a tree of model folders, though it has a model of its own");
  add_stream_option(*command, options->loading);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "An element agrees where |got − expected| ≤ atol + rtol·|expected|. Networks of many layers differ by rounding: "
      "an\n"
      "--atol of 1e-5 times the largest value of the answer suits them.\n\n"
      "A folder without a model of its own is a tree: every model.onnx below it is checked against the answers next "
      "to\n"
      "it, with a summary by operator. What cannot be loaded is skipped, with the reason.\n\n"
      "Examples:\n"
      "  tally verify lenet5.onnx\n"
      "  tally verify resnet50/model.onnx resnet50/test_data_set_0 --atol 1e-4\n"
      "  tally verify onnx/backend/test/data");
  command->callback([options, &action] { action = [options] { return verify_command(*options); }; });
}

}  // namespace tally::tools
