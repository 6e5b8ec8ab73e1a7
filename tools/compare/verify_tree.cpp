#include "tools/compare/verify_tree.h"

#include <algorithm>
#include <map>

#include "nlohmann/json.hpp"
#include "tally/engine/onnx/operator_names.h"
#include "tally/layers/registry.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

/// Reasons that a row of the summary has room for, and cases that a reason names.
constexpr size_t kShownReasons = 3, kShownCases = 2;

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed:
      return "passed";
    case Outcome::failed:
      return "failed";
    case Outcome::skipped:
      break;
  }
  return "skipped";
}

std::string case_name(const TreeCase& c) { return c.folder.filename().string(); }

bool is_supported(const OperatorName& name) {
  if (!name.domain.empty()) return false;
  if (name.op == "Constant") return true;  // an initialiser once it is read
  const auto rows = supported_operators();
  return std::any_of(rows.begin(), rows.end(), [&](const SupportedOperator& row) { return row.op == name.op; });
}

/// What keeps a model with these operators from being loaded, with whose fault it is; true where something does.
bool note_obstacle(const std::set<OperatorName>& names, TreeCase& c) {
  for (const OperatorName& name : names)
    if (const std::string_view why = out_of_scope(name.domain, name.op); !why.empty()) {
      c.kind = formatted("out of scope: {}", why);
      c.reason = formatted("operator {} is {}", name.text(), c.kind);
      return true;
    }
  for (const OperatorName& name : names)
    if (!is_supported(name)) {
      c.reason = c.kind = formatted("operator {} is not supported", name.text());
      return true;
    }
  return false;
}

void note_operators(const std::set<OperatorName>& names, TreeCase& c) {
  for (const OperatorName& name : names)
    if (name.op != "Constant" || names.size() == 1) c.operators.insert(name.text());
  if (names.empty()) c.operators.insert("(none)");
}

void compare(const fs::path& file, const LoadOptions& load, const Tolerance& tolerance, TreeCase& c) {
  Context context(Model::load(file, load));
  for (const fs::path& set : data_sets_near(file))
    for (const OutputAgreement& output : check_data_set(context, set, tolerance).outputs) {
      if (output.agreement.agrees()) continue;
      c.outcome = Outcome::failed;
      c.reason = set.filename().string() + ": " + describe_difference(output);
      return;
    }
  c.outcome = Outcome::passed;
}

struct Counts {
  int64_t passed = 0, failed = 0, skipped = 0;
  std::vector<const TreeCase*> failures;
  std::map<std::string, std::vector<const TreeCase*>> skips;  ///< by kind

  void add(const TreeCase& c) {
    ++(c.outcome == Outcome::passed ? passed : c.outcome == Outcome::failed ? failed : skipped);
    if (c.outcome == Outcome::failed) failures.push_back(&c);
    if (c.outcome == Outcome::skipped) skips[c.kind].push_back(&c);
  }
  int64_t cases() const { return passed + failed + skipped; }

  /// Reasons of skips, the most frequent first.
  std::vector<std::pair<std::string, std::vector<const TreeCase*>>> reasons() const {
    std::vector<std::pair<std::string, std::vector<const TreeCase*>>> list(skips.begin(), skips.end());
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
    return list;
  }
};

Counts count_all(const std::vector<TreeCase>& cases) {
  Counts all;
  for (const TreeCase& c : cases) all.add(c);
  return all;
}

std::map<std::string, Counts> count_by_operator(const std::vector<TreeCase>& cases) {
  std::map<std::string, Counts> counts;
  for (const TreeCase& c : cases)
    for (const std::string& name : c.operators) counts[name].add(c);
  return counts;
}

/// "failed: test_a, test_b … ; 3 out of scope: strings; 1 operator Foo is not supported".
std::string explained(const Counts& counts) {
  std::string words;
  for (size_t i = 0; i < counts.failures.size() && i <= kShownCases; ++i)
    words += i == kShownCases ? " …" : (i == 0 ? "failed: " : ", ") + case_name(*counts.failures[i]);
  const auto reasons = counts.reasons();
  for (size_t i = 0; i < reasons.size() && i <= kShownReasons; ++i) {
    words += words.empty() ? "" : "; ";
    words += i == kShownReasons ? formatted("{} more reasons", reasons.size() - kShownReasons)
                                : formatted("{} {}", reasons[i].second.size(), reasons[i].first);
  }
  return words;
}

Table by_operator(const std::vector<TreeCase>& cases) {
  Table table;
  table.columns = {{"operator", "operator", Unit::text, "", 16},
                   {"cases", "cases", Unit::count},
                   {"passed", "passed", Unit::count},
                   {"failed", "failed", Unit::count},
                   {"skipped", "skipped", Unit::count},
                   {.key = "why", .title = "failed: where; skipped: why", .shrink_to = 24, .wraps = true}};
  const auto row = [](const std::string& name, const Counts& c, const std::string& why) -> std::vector<Cell> {
    return {name, c.cases(), c.passed, c.failed, c.skipped, why};
  };
  for (const auto& [name, c] : count_by_operator(cases)) table.rows.push_back(row(name, c, explained(c)));
  table.totals = row("all, once each", count_all(cases), "");
  return table;
}

Table failure_table(const Counts& all) {
  Table table;
  table.columns = {{.key = "case", .title = "case", .shrink_to = 24, .wraps = true},
                   {.key = "difference", .title = "difference", .shrink_to = 40, .wraps = true}};
  for (const TreeCase* c : all.failures) table.rows.push_back({case_name(*c), c->reason});
  return table;
}

Table skip_table(const Counts& all) {
  Table table;
  table.columns = {{"cases", "cases", Unit::count},
                   {.key = "reason", .title = "reason", .shrink_to = 40, .wraps = true},
                   {"example", "e.g.", Unit::text, "", 20}};
  for (const auto& [kind, found] : all.reasons())
    table.rows.push_back({static_cast<int64_t>(found.size()), kind, case_name(*found.front())});
  return table;
}

nlohmann::ordered_json counts_json(const Counts& c) {
  return {{"cases", c.cases()}, {"passed", c.passed}, {"failed", c.failed}, {"skipped", c.skipped}};
}

}  // namespace

bool is_tree(const std::string& argument) {
  std::error_code error;
  if (!fs::is_directory(argument, error)) return false;
  const fs::directory_iterator entries(argument, error);
  return std::none_of(begin(entries), end(entries), [](const auto& e) { return e.path().extension() == ".onnx"; });
}

std::vector<fs::path> model_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  std::error_code error;
  if (!fs::is_directory(root, error))
    fail("folder '" + root.string() + "'", "no folder", "must be a tree of model folders");
  if (fs::exists(root / "model.onnx", error)) folders.push_back(root);
  for (fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error), end; it != end;
       it.increment(error))
    if (!error && it->path().filename() == "model.onnx" && it->path().parent_path() != root)
      folders.push_back(it->path().parent_path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

TreeCase check_folder(const fs::path& folder, const LoadOptions& load, const Tolerance& tolerance) {
  TreeCase c{folder, {}, Outcome::skipped, "", ""};
  const fs::path file = folder / "model.onnx";
  try {
    const std::set<OperatorName> names = operator_names(file, load.max_memory);
    note_operators(names, c);
    if (!note_obstacle(names, c)) compare(file, load, tolerance, c);
  } catch (const Error& e) {
    if (e.code == ErrorCode::internal) c.outcome = Outcome::failed;
    c.reason = e.what();
    c.kind = e.node.empty() ? c.reason : c.reason.substr(e.node.size() + 2);  // behind "node: "
  } catch (const std::bad_alloc&) {
    c.reason = c.kind = "out of memory";
  } catch (const std::exception& e) {
    c.outcome = Outcome::failed;
    c.reason = std::string("internal: ") + e.what();
  }
  if (c.operators.empty()) c.operators.insert("(unreadable)");
  return c;
}

std::string tolerance_text(const Tolerance& t) {
  return formatted("|got − expected| ≤ {:g} + {:g}·|expected|", t.atol, t.rtol);
}

Report tree_report(const std::vector<TreeCase>& cases, const std::string& root, const Tolerance& tolerance) {
  const Counts all = count_all(cases);
  Report report;
  report.title = formatted("{}: {} of {} cases agree, {} failed, {} skipped", root, with_thousands(all.passed),
                           with_thousands(all.cases()), with_thousands(all.failed), with_thousands(all.skipped));
  report.facts = {tolerance_text(tolerance)};
  report.parts.push_back({"", by_operator(cases)});
  if (!all.failures.empty()) report.parts.push_back({"Failed", failure_table(all)});
  if (!all.skips.empty()) report.parts.push_back({"Skipped", skip_table(all)});
  report.notes = {"A case counts once under each operator that its graph holds, bodies and functions included."};
  return report;
}

nlohmann::ordered_json tree_document(const std::vector<TreeCase>& cases, const Tolerance& tolerance, Isa isa) {
  using nlohmann::ordered_json;
  const Counts all = count_all(cases);
  ordered_json document = new_document("verify", nullptr, isa);
  document["rtol"] = tolerance.rtol;
  document["atol"] = tolerance.atol;
  document["passed"] = all.passed;
  document["failed"] = all.failed;
  document["skipped"] = all.skipped;
  ordered_json operators = ordered_json::array();
  for (const auto& [name, c] : count_by_operator(cases)) {
    ordered_json item{{"operator", name}};
    item.update(counts_json(c));
    item["reasons"] = ordered_json::array();
    for (const auto& [kind, found] : c.reasons())
      item["reasons"].push_back({{"reason", kind}, {"cases", found.size()}});
    operators.push_back(std::move(item));
  }
  document["operators"] = std::move(operators);
  ordered_json list = ordered_json::array();
  for (const TreeCase& c : cases) {
    ordered_json item{{"case", c.folder.string()}, {"operators", c.operators}, {"outcome", name_of(c.outcome)}};
    if (!c.reason.empty()) item["reason"] = c.reason;
    list.push_back(std::move(item));
  }
  document["cases"] = std::move(list);
  return document;
}

}  // namespace tally::tools
