#include "tally/engine/onnx/scope_name.h"

#include <vector>

namespace tally::onnx {
namespace {

/// The quoted strings of a Python list.
std::vector<std::string> quoted(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < list.size(); ++at) {
    if (list[at] != '\'' && list[at] != '"') continue;
    const size_t end = list.find(list[at], at + 1);
    if (end == std::string::npos) break;
    parts.push_back(list.substr(at + 1, end - at - 1));
    at = end;
  }
  return parts;
}

/// The names of "name: class/name: class/…".
std::vector<std::string> namespace_names(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    parts.push_back(part.substr(0, part.find(": ")));
    at = end + 1;
  }
  return parts;
}

/// "/a/b" of a, b, last; empty parts left out.
std::string path_without_last(const std::vector<std::string>& parts) {
  std::string path;
  for (size_t i = 0; i + 1 < parts.size(); ++i)
    if (!parts[i].empty()) path += "/" + parts[i];
  return path;
}

}  // namespace

std::string as_scope(const std::string& path) { return path.starts_with('/') ? path : "/" + path; }

std::string scope_of(const std::string& node_name, const std::map<std::string, std::string>& metadata) {
  if (const auto scopes = metadata.find("pkg.torch.onnx.name_scopes"); scopes != metadata.end())
    return path_without_last(quoted(scopes->second));
  if (const auto path = metadata.find("namespace"); path != metadata.end())
    return path_without_last(namespace_names(path->second));
  const size_t slash = node_name.rfind('/');
  return slash == std::string::npos || slash == 0 ? "" : as_scope(node_name.substr(0, slash));
}

}  // namespace tally::onnx
