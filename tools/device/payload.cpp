#include "tools/device/payload.h"

#include <set>

#include "tally/engine/error.h"
#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/reader.h"
#include "tools/input/model_file.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

/// A model that is called "model" is known by its folder's name, which it keeps on the device.
DeviceModel model_to_copy(const std::string& argument, const std::string& folder, size_t max_bytes) {
  DeviceModel model;
  const fs::path file = find_model(argument);
  std::set<std::string> external;
  ReadOptions options;
  options.weights = false;
  options.max_bytes = max_bytes;
  options.external_files = &external;
  read_onnx(file, options);

  std::error_code ignored;
  const std::string parent = fs::absolute(file, ignored).parent_path().filename().string();
  const std::string beneath = parent.empty() ? folder : folder + "/" + parent;
  model.argument = argument;
  model.name = name_of_model(file);
  model.to = beneath + "/" + file.filename().string();
  model.files.push_back(copied_file(file, model.to));
  for (const std::string& location : external)
    model.files.push_back(copied_file(onnx::external_file(fs::absolute(file, ignored).parent_path(), location),
                                      beneath + "/" + location));
  return model;
}

}  // namespace

CopiedFile copied_file(const fs::path& file, std::string to) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  if (error) fail("file '" + file.string() + "'", error.message(), "must be a readable file");
  return {file, std::move(to), bytes};
}

std::vector<DeviceModel> models_to_copy(const std::vector<std::string>& arguments, size_t max_bytes) {
  std::vector<DeviceModel> models;
  for (const std::string& argument : arguments)
    models.push_back(model_to_copy(argument, "models/" + std::to_string(models.size()), max_bytes));
  return models;
}

std::vector<CopiedFile> files_to_copy(const std::vector<std::string>& arguments) {
  std::vector<CopiedFile> files;
  std::set<std::string> names;
  for (const std::string& argument : arguments) {
    const std::string name = fs::path(argument).filename().string();
    std::error_code error;
    if (!fs::is_regular_file(argument, error))
      fail("--with", "'" + argument + "'", "must be a readable file", ErrorCode::usage);
    if (!names.insert(name).second)
      fail("--with", "two files named '" + name + "'", "must have different names", ErrorCode::usage);
    files.push_back(copied_file(argument, std::string(kWorkFolder) + "/" + name));
  }
  return files;
}

uint64_t bytes_of(const std::vector<CopiedFile>& files) {
  uint64_t bytes = 0;
  for (const CopiedFile& file : files) bytes += file.bytes;
  return bytes;
}

}  // namespace tally::tools
