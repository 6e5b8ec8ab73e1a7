#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/compare/budget.h"
#include "tools/compare/document_value.h"
#include "tools/estimate/estimate_report.h"
#include "tools/input/inputs.h"
#include "tools/output/formatted.h"
#include "tools/output/junit.h"
#include "tools/output/numbers.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

using Verdict = BudgetFinding::Verdict;

struct Options {
  std::string model, budget, profile, junit;
  LoadingOptions loading;
  OutputOptions output;
};

const char* word_of(Verdict verdict) {
  return verdict == Verdict::within ? "within" : verdict == Verdict::exceeded ? "EXCEEDED" : "UNKNOWN";
}

std::string sentence(const BudgetFinding& f) {
  if (f.verdict == Verdict::unknown)
    return formatted("{}: {} is n/a ({}), must be at most {}", f.who, f.key, f.found_words, f.limit);
  if (!f.most) return formatted("{}: {} is {}, must be {}", f.who, f.key, f.found_words, f.limit);
  return formatted("{}: {} is {}, must be at most {}", f.who, f.key, f.found_words, f.limit);
}

bool passed(const BudgetFinding& f) { return f.verdict == Verdict::within; }

Report check_report(const LoadedModel& loaded, const std::vector<BudgetFinding>& findings, const Options& options) {
  Report report;
  const auto failed =
      std::count_if(findings.begin(), findings.end(), [](const BudgetFinding& f) { return !passed(f); });
  report.title =
      formatted("{}: {}", loaded.name,
                failed == 0 ? "within its budget" : formatted("{} of {} limits exceeded", failed, findings.size()));
  report.facts = {formatted("{} · {}{}", loaded.file.string(), options.budget,
                            options.profile.empty() ? "" : " · " + options.profile)};
  Table table;
  table.columns = {{"who", "of", Unit::path, "", 16},        {"key", "figure"},
                   {"limit", "at most", Unit::figure},       {"found", "found", Unit::figure},
                   {"share", "used", Unit::share, "", 0, 1}, {"verdict", "verdict"}};
  const auto share_used = [](const BudgetFinding& f) -> Cell {
    if (!f.most || !f.found || *f.most <= 0) return {};
    return *f.found / *f.most;
  };
  const auto shown = [](const std::string& digits, std::optional<double> value) {
    return value && *value < 9e15 ? Cell(static_cast<int64_t>(*value)) : Cell(digits);
  };
  for (const BudgetFinding& f : findings) {
    table.rows.push_back(
        {f.who, f.key, shown(f.limit, f.most),
         f.verdict == Verdict::unknown
             ? Cell()
             : shown(f.most ? f.found_words : f.found_words.substr(0, f.found_words.find(':')), f.found),
         share_used(f), std::string(word_of(f.verdict))});
  }
  report.parts = {{"", std::move(table)}};
  for (const BudgetFinding& f : findings)
    if (!passed(f)) report.notes.push_back("- " + sentence(f));
  return report;
}

nlohmann::ordered_json check_document(const LoadedModel& loaded, const std::vector<BudgetFinding>& findings,
                                      const Options& options) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("check", &loaded, std::nullopt);
  document["budget"] = options.budget;
  document["profile"] = options.profile.empty() ? ordered_json() : ordered_json(options.profile);
  if (options.profile.empty()) document["missing"]["profile"] = "none was given (--profile)";
  document["passed"] = std::all_of(findings.begin(), findings.end(), passed);
  ordered_json list = ordered_json::array();
  for (const BudgetFinding& f : findings) {
    ordered_json item{{"of", f.who}, {"figure", f.key}};
    item["limit"] = f.most ? ordered_json(std::stoll(f.limit)) : ordered_json(f.limit);
    item["found"] = f.found ? ordered_json(*f.found) : ordered_json();
    // Counts are exact integers; only times may have a fraction.
    if (f.found && *f.found < 9e15 && *f.found == static_cast<double>(static_cast<int64_t>(*f.found)))
      item["found"] = static_cast<int64_t>(*f.found);
    if (!f.most) item["found"] = f.found_words;
    item["verdict"] = f.verdict == Verdict::within ? "within" : f.verdict == Verdict::exceeded ? "exceeded" : "unknown";
    if (f.verdict == Verdict::unknown) item["missing"] = {{"found", f.found_words}};
    list.push_back(std::move(item));
  }
  document["limits"] = std::move(list);
  return document;
}

std::string junit_of(const LoadedModel& loaded, const std::vector<BudgetFinding>& findings) {
  std::vector<JunitCase> cases;
  for (const BudgetFinding& f : findings) {
    const auto outcome = f.verdict == Verdict::within     ? JunitCase::Outcome::passed
                         : f.verdict == Verdict::exceeded ? JunitCase::Outcome::failed
                                                          : JunitCase::Outcome::error;
    cases.push_back({f.who, formatted("{} at most {}", f.key, f.limit), outcome, passed(f) ? "" : sentence(f)});
  }
  return junit_xml("tally check " + loaded.name, cases);
}

/// The recording of a run of this model.
Recording measured_run(const std::string& file, const Recording& estimate) {
  Recording measured = read_recording(file);
  if (measured.kind == RecordingKind::estimate || measured.kind == RecordingKind::machine)
    fail("file '" + file + "'", "is of kind " + std::string(name_of(measured.kind)),
         "must be a profile, bench or ledger");
  if (measured.sha256 != estimate.sha256)
    fail("file '" + file + "'",
         "is of another model, '" + measured.model + "' (sha256 " + measured.sha256.substr(0, 12) + "…)",
         "must be of sha256 " + estimate.sha256.substr(0, 12) + "…");
  return measured;
}

int check_command(const Options& options) {
  const Budget budget = read_budget(options.budget);
  LoadOptions load = options.loading.parsed();
  load.weights = false;
  load.allow_unknown = true;
  const LoadedModel loaded = load_model(options.model, load);
  const nlohmann::json document(estimate_document(loaded, loaded.model.estimate()));
  const Recording estimate = recording_of(DocumentValue(document, "estimate: "), loaded.file.string());
  std::optional<Recording> measured;
  if (!options.profile.empty()) measured = measured_run(options.profile, estimate);
  const std::vector<BudgetFinding> findings = check_budget(budget, estimate, measured ? &*measured : nullptr);
  if (!options.junit.empty()) write_data(junit_of(loaded, findings), options.junit);
  write_report(
      check_report(loaded, findings, options), [&] { return check_document(loaded, findings, options); },
      options.output);
  for (const BudgetFinding& f : findings)
    if (!passed(f)) message(sentence(f), options.output.quiet || options.output.format == Format::table);
  return std::all_of(findings.begin(), findings.end(), passed) ? 0 : 1;
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("check", "Holds a model's costs against a budget; exit 1 where one is exceeded");
  add_model_argument(*command, options->model);
  command->add_option("--budget", options->budget, "limits, in JSON (see below)")->required()->type_name("FILE");
  command->add_option("--profile", options->profile, "JSON of profile or bench, for limits of latency and memory")
      ->type_name("FILE");
  command->add_option("--junit", options->junit, "write the outcome as JUnit XML too")->type_name("FILE");
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "A budget: {\"params\": 62000, \"macs\": \"420k\", \"peak_activation_bytes\": \"64K\", \"coverage\": \"exact\",\n"
      "           \"layers\": [{\"name\": \"/conv*\", \"op\": \"Conv\", \"macs\": \"250k\"}]}\n"
      "Keys: totals of tally estimate, model_bytes, coverage (exact, approximate); with --profile latency_ns,\n"
      "latency_p90_ns, latency_p99_ns, lane_macs, bytes_loaded, bytes_stored, weights_bytes, arena_bytes, "
      "state_bytes,\n"
      "peak_rss_bytes, load_ns, energy_nj. Costs are analytic: nothing is executed.\n\n"
      "Examples:\n"
      "  tally check lenet5.onnx --budget budget.json\n"
      "  tally check lenet5.onnx --budget budget.json --profile profile.json --junit check.xml");
  command->callback([options, &action] { action = [options] { return check_command(*options); }; });
}

}  // namespace tally::tools
