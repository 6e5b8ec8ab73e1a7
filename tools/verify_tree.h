#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tally/engine/model.h"
#include "tools/report.h"
#include "tools/stored_answers.h"

namespace tally::tools {

enum class Outcome { passed, failed, skipped };

/// One model folder of a tree.
struct TreeCase {
  std::filesystem::path folder;
  std::string operators;  ///< "Conv", "Add+Relu": what its graph holds, without Constant
  Outcome outcome = Outcome::skipped;
  std::string reason;  ///< of a failure or a skip
  std::string kind;    ///< the reason without names, for counting alike ones
};

/// Folders below `root`, itself included, that hold model.onnx; sorted.
std::vector<std::filesystem::path> model_folders(const std::filesystem::path& root);

/// Checks one folder; never throws on a bad model. Skipped: what cannot be loaded or fed, for the reason given.
TreeCase check_folder(const std::filesystem::path& folder, const LoadOptions& load, const Tolerance& tolerance);

/// Counts by operator, then failures and reasons of skips.
Report tree_report(const std::vector<TreeCase>& cases, const std::string& root);
nlohmann::ordered_json tree_document(const std::vector<TreeCase>& cases, Isa isa);

}  // namespace tally::tools
