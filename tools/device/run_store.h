#pragma once
#include <filesystem>
#include <string>

#include "nlohmann/json.hpp"

namespace tally::tools {

/// A name that can be a file's: letters, digits and . _ - + @ stay, the rest becomes "_"; never empty or hidden.
std::string file_name_of(const std::string& name);

/// Writes a document as <folder>/<device>/<name>-<utc>.json, with -2 … where that is taken; whole or not at all: first
/// under a temporary name. Returns the file. Throws Error(usage) where it cannot be written.
std::filesystem::path store_run(const std::filesystem::path& folder, const std::string& device, const std::string& name,
                                const std::string& utc, const nlohmann::ordered_json& document);

/// Now, as "20250131T235959Z".
std::string utc_now();

}  // namespace tally::tools
