#pragma once
// JSON documents: one head for all kinds.
#include <optional>
#include <string>

#include "nlohmann/json_fwd.hpp"
#include "tools/input/model_file.h"

namespace tally::tools {

/// {"schema": "tally.<kind>/1", "version": …, "model": …, "machine": …}. `model` null: a document of none, with the
/// reason in "missing"; `isa`: what ran.
nlohmann::ordered_json new_document(const std::string& kind, const LoadedModel* model, std::optional<Isa> isa);

/// Indented text, ending with a line feed. Names that are no UTF-8 are mended.
std::string as_text(const nlohmann::ordered_json& document);

/// Extents as an array.
nlohmann::ordered_json to_json(const Shape& shape);
nlohmann::ordered_json to_json(const std::vector<Shape>& shapes);

}  // namespace tally::tools
