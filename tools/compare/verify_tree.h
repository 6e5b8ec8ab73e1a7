#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tally/engine/model.h"
#include "tools/compare/stored_answers.h"
#include "tools/output/report.h"

namespace tally::tools {

enum class Outcome { passed, failed, skipped };

/// One model folder of a tree.
struct TreeCase {
  std::filesystem::path folder;
  std::set<std::string>
      operators;  ///< of its graph, its bodies and its functions, without Constant where it has others
  Outcome outcome = Outcome::skipped;
  std::string reason;  ///< of a failure or a skip, naming who gave it
  std::string kind;    ///< of a skip: the reason without names, for counting alike ones
};

/// True for a folder that holds no model of its own: what a command may take as a tree of them.
bool is_tree(const std::string& argument);

/// Folders below `root`, itself included, that hold model.onnx; sorted. Throws Error where `root` is no folder.
std::vector<std::filesystem::path> model_folders(const std::filesystem::path& root);

/// Checks one folder; never throws on a bad model. Skipped: what is out of scope, or cannot be loaded or fed, for the
/// reason given. Failed: what gives another answer, or meets a defect of ours.
TreeCase check_folder(const std::filesystem::path& folder, const LoadOptions& load, const Tolerance& tolerance);

/// Counts by operator with what failed and why the rest was skipped; then every failure, and the reasons of all skips.
Report tree_report(const std::vector<TreeCase>& cases, const std::string& root, const Tolerance& tolerance);
nlohmann::ordered_json tree_document(const std::vector<TreeCase>& cases, const Tolerance& tolerance, Isa isa);

/// "|got − expected| ≤ 1e-07 + 0.001·|expected|".
std::string tolerance_text(const Tolerance& tolerance);

}  // namespace tally::tools
