#pragma once
// A document of JSON that somebody hands in: read with bounds, every value known by its path.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"

namespace tally::tools {

/// A value and where it stands: "file 'a.json': layers[3].executed.macs". Refers to the document, which must outlive
/// it. Whatever has not the type asked for throws Error(model) with path, value found, type required.
class DocumentValue {
 public:
  DocumentValue(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  /// The member of an object; null where it has none.
  DocumentValue operator[](const char* key) const;
  bool null() const { return value_->is_null(); }
  bool has(const char* key) const { return value_->is_object() && value_->contains(key); }
  bool text() const { return value_->is_string(); }
  bool object() const { return value_->is_object(); }
  bool array() const { return value_->is_array(); }
  const std::string& path() const { return path_; }
  const nlohmann::json& json() const { return *value_; }

  /// Nothing where it is null. Integers must fit int64.
  std::optional<int64_t> integer() const;
  /// Nothing where it is null.
  std::optional<double> number() const;
  /// Empty where it is null.
  std::string words() const;
  /// Elements of an array; none where it is null.
  std::vector<DocumentValue> items() const;
  /// Members of an object; none where it is null.
  std::vector<std::pair<std::string, DocumentValue>> members() const;

  /// Throws Error(model): this path, the value, `required`.
  [[noreturn]] void refuse(const std::string& required) const;

 private:
  std::string inside(const std::string& key) const;  ///< the path of a member

  const nlohmann::json* value_;
  std::string path_;
};

/// The JSON value that a file holds. Throws Error(model) where it cannot be read, is longer than 64 MiB, is nested more
/// than 64 deep or is no JSON, naming the place.
nlohmann::json read_json(const std::filesystem::path& file);

/// The same of text; `name`: what errors call it.
nlohmann::json parse_json(const std::string& content, const std::string& name);

}  // namespace tally::tools
