#include "tools/verify_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tally/engine/onnx/reader.h"
#include "tally/layers/registry.h"
#include "tools/document.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

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

std::string operators_of(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes)
    if (node.op != "Constant") names.insert(node.op);
  if (names.empty()) return "(none)";
  if (names.size() > 3) return fmt::format("({} operators)", names.size());
  return fmt::format("{}", fmt::join(names, "+"));
}

/// The first operator of a graph that has no layer; empty: all have.
std::string unknown_operator(const Graph& graph) {
  for (const Node& node : graph.nodes)
    if (!registry().knows(node)) return node.domain.empty() ? node.op : node.domain + "." + node.op;
  return "";
}

struct Counts {
  int64_t passed = 0, failed = 0, skipped = 0;
  void add(Outcome outcome) { ++(outcome == Outcome::passed ? passed : outcome == Outcome::failed ? failed : skipped); }
};

Table by_operator(const std::vector<TreeCase>& cases) {
  std::map<std::string, Counts> counts;
  Counts all;
  for (const TreeCase& c : cases) {
    counts[c.operators].add(c.outcome);
    all.add(c.outcome);
  }
  Table table;
  table.columns = {{"operators", "operators", Unit::text, "", 20},
                   {"cases", "cases", Unit::count},
                   {"passed", "passed", Unit::count},
                   {"failed", "failed", Unit::count},
                   {"skipped", "skipped", Unit::count}};
  const auto row = [](const std::string& name, const Counts& c) -> std::vector<Cell> {
    return {name, c.passed + c.failed + c.skipped, c.passed, c.failed, c.skipped};
  };
  for (const auto& [name, c] : counts) table.rows.push_back(row(name, c));
  table.totals = row("total", all);
  return table;
}

Table failures(const std::vector<TreeCase>& cases) {
  Table table;
  table.columns = {{"case", "case", Unit::text, "", 24}, {"difference", "difference", Unit::text, "", 40}};
  for (const TreeCase& c : cases)
    if (c.outcome == Outcome::failed) table.rows.push_back({c.folder.filename().string(), c.reason});
  return table;
}

/// Reasons of skips by frequency, each with a case.
Table skips(const std::vector<TreeCase>& cases) {
  std::map<std::string, std::pair<int64_t, std::string>> kinds;
  for (const TreeCase& c : cases) {
    if (c.outcome != Outcome::skipped) continue;
    auto& [count, example] = kinds[c.kind];
    if (++count == 1) example = c.folder.filename().string();
  }
  Table table;
  table.columns = {{"cases", "cases", Unit::count},
                   {"reason", "reason", Unit::text, "", 40},
                   {"example", "e.g.", Unit::text, "", 20}};
  for (const auto& [kind, found] : kinds) table.rows.push_back({found.first, kind, found.second});
  std::stable_sort(table.rows.begin(), table.rows.end(),
                   [](const auto& a, const auto& b) { return std::get<int64_t>(a[0]) > std::get<int64_t>(b[0]); });
  return table;
}

}  // namespace

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
  TreeCase c{folder, "(unreadable)", Outcome::skipped, "", ""};
  try {
    const fs::path file = folder / "model.onnx";
    const Graph graph = read_onnx(file, {.weights = false, .max_bytes = load.max_memory});
    c.operators = operators_of(graph);
    if (const std::string unknown = unknown_operator(graph); !unknown.empty()) {
      c.reason = c.kind = "operator " + unknown + " is not supported";
      return c;
    }
    Context context(Model::load(file, load));
    c.outcome = Outcome::passed;
    for (const fs::path& set : data_sets_near(file)) {
      for (const OutputAgreement& output : check_data_set(context, set, tolerance).outputs) {
        if (output.agreement.agrees() || c.outcome == Outcome::failed) continue;
        c.outcome = Outcome::failed;
        c.reason = set.filename().string() + ": " + describe_difference(output);
      }
    }
  } catch (const Error& e) {
    c.outcome = Outcome::skipped;
    c.reason = e.what();
    c.kind = e.found + " " + e.required;
  } catch (const std::bad_alloc&) {
    c.outcome = Outcome::skipped;
    c.reason = c.kind = "out of memory";
  }
  return c;
}

Report tree_report(const std::vector<TreeCase>& cases, const std::string& root) {
  Report report;
  report.title = root + ": stored answers, by operator";
  report.parts.push_back({"", by_operator(cases)});
  if (Table table = failures(cases); !table.rows.empty()) report.parts.push_back({"Failed", std::move(table)});
  if (Table table = skips(cases); !table.rows.empty()) report.parts.push_back({"Skipped", std::move(table)});
  return report;
}

nlohmann::ordered_json tree_document(const std::vector<TreeCase>& cases, Isa isa) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("verify", nullptr, isa);
  ordered_json list = ordered_json::array();
  Counts all;
  for (const TreeCase& c : cases) {
    all.add(c.outcome);
    ordered_json item{{"case", c.folder.string()}, {"operators", c.operators}, {"outcome", name_of(c.outcome)}};
    if (!c.reason.empty()) item["reason"] = c.reason;
    list.push_back(std::move(item));
  }
  document["passed"] = all.passed;
  document["failed"] = all.failed;
  document["skipped"] = all.skipped;
  document["cases"] = std::move(list);
  return document;
}

}  // namespace tally::tools
