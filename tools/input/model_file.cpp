#include "tools/input/model_file.h"

#include <vector>

#include "tally/engine/error.h"

namespace tally::tools {

namespace fs = std::filesystem;

std::string name_of_model(const fs::path& file) {
  const std::string stem = file.stem().string();
  if (stem != "model") return stem;
  std::error_code ignored;
  const std::string folder = fs::absolute(file, ignored).parent_path().filename().string();
  return folder.empty() ? stem : folder;
}

fs::path find_model(const std::string& argument) {
  const fs::path path(argument);
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  if (fs::exists(path / "model.onnx", error)) return path / "model.onnx";
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (entry.path().extension() == ".onnx") found.push_back(entry.path());
  if (found.size() != 1)
    fail("folder '" + argument + "'", text(found.size(), " ONNX files"), "must hold model.onnx, or one .onnx file");
  return found[0];
}

LoadedModel load_model(const std::string& argument, const LoadOptions& options) {
  const fs::path file = find_model(argument);
  return {file, Model::load(file, options), name_of_model(file)};
}

std::string declared_shape(const ValueInfo& value) {
  if (!value.shape) return "?";
  if (value.shape->empty()) return "scalar";
  std::string shape;
  for (const Dim& dim : *value.shape) {
    if (!shape.empty()) shape += "×";
    shape += dim.value >= 0 ? std::to_string(dim.value) : dim.name.empty() ? "?" : dim.name;
  }
  return shape;
}

}  // namespace tally::tools
