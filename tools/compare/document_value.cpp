#include "tools/compare/document_value.h"

#include <fstream>
#include <limits>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::json;

constexpr std::streamoff kMostBytes =
    64 << 20;  // a document of 100,000 layers has 150 MB; none that is known has 3,000
constexpr int kDeepest = 64;

const json kNull;

/// A value as an error may quote it.
std::string quoted(const json& value) {
  constexpr size_t kShown = 40;
  return cut_middle(printable(value.dump(-1, ' ', false, json::error_handler_t::replace)), kShown);
}

}  // namespace

void DocumentValue::refuse(const std::string& required) const {
  if (value_->is_object() || value_->is_array()) fail(path_, value_->is_object() ? "an object" : "an array", required);
  fail(path_, quoted(*value_), required);
}

std::string DocumentValue::inside(const std::string& key) const {
  return path_ + (path_.empty() || path_.back() == ' ' ? "" : ".") + key;
}

DocumentValue DocumentValue::operator[](const char* key) const {
  if (!value_->is_null() && !value_->is_object()) refuse("must be an object");
  const auto found = value_->is_object() ? value_->find(key) : value_->end();
  return {found == value_->end() ? kNull : *found, inside(key)};
}

std::optional<int64_t> DocumentValue::integer() const {
  if (value_->is_null()) return std::nullopt;
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() ||
                     value_->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits) refuse("must be an integer or null");
  return value_->get<int64_t>();
}

std::optional<double> DocumentValue::number() const {
  if (value_->is_null()) return std::nullopt;
  if (!value_->is_number()) refuse("must be a number or null");
  return value_->get<double>();
}

std::string DocumentValue::words() const {
  if (value_->is_null()) return {};
  if (!value_->is_string()) refuse("must be text or null");
  return value_->get<std::string>();
}

std::vector<DocumentValue> DocumentValue::items() const {
  std::vector<DocumentValue> list;
  if (value_->is_null()) return list;
  if (!value_->is_array()) refuse("must be an array");
  list.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) list.emplace_back((*value_)[i], path_ + "[" + std::to_string(i) + "]");
  return list;
}

std::vector<std::pair<std::string, DocumentValue>> DocumentValue::members() const {
  std::vector<std::pair<std::string, DocumentValue>> list;
  if (value_->is_null()) return list;
  if (!value_->is_object()) refuse("must be an object");
  for (const auto& [key, value] : value_->items()) list.emplace_back(key, DocumentValue(value, inside(key)));
  return list;
}

json read_json(const std::filesystem::path& file) {
  const std::string name = "file '" + file.string() + "'";
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) fail(name, "does not exist or is no file", "must be readable");
  std::ifstream in(file, std::ios::binary);
  in.seekg(0, std::ios::end);
  const std::streamoff bytes = in.tellg();
  if (!in || bytes < 0) fail(name, "cannot be read", "must be readable");
  if (bytes > kMostBytes) fail(name, tally::text(bytes, " bytes"), tally::text("must have at most ", kMostBytes));
  std::string content(static_cast<size_t>(bytes), '\0');
  in.seekg(0);
  if (!in.read(content.data(), bytes)) fail(name, "cannot be read", "must be readable");
  return parse_json(content, name);
}

json parse_json(const std::string& content, const std::string& name) {
  const json::parser_callback_t depth_check = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail(name, tally::text("nested ", depth, " deep"), tally::text("must be at most ", kDeepest));
    return true;
  };
  try {
    return json::parse(content, depth_check);
  } catch (const json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": what counts follows the bracket.
    const std::string words = e.what();
    const size_t bracket = words.find("] ");
    fail(name,
         "is no JSON: " + cut_middle(printable(bracket == std::string::npos ? words : words.substr(bracket + 2)), 160),
         "must be a document that tally wrote");
  }
}

}  // namespace tally::tools
