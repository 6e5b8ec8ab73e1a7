#pragma once
// What goes to a device besides the program.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tally::tools {

/// A file here, and its name below the folder on the device.
struct CopiedFile {
  std::filesystem::path file;
  std::string to;
  uint64_t bytes = 0;
};

/// A model and the files that its tensors lie in.
struct DeviceModel {
  std::string argument, name;     ///< as the user named it; as the program names it
  std::string to;                 ///< the model file on the device, below the folder
  std::vector<CopiedFile> files;  ///< the model file first
};

/// A file here that is to have the name `to` there. Throws Error(model) where it cannot be read.
CopiedFile copied_file(const std::filesystem::path& file, std::string to);

/// The models that the arguments mean, read (but not their weights) to find their external data; names from the model
/// are checked as on loading, so that nothing outside the model's folder is read or written. Throws Error(model).
std::vector<DeviceModel> models_to_copy(const std::vector<std::string>& arguments, size_t max_bytes);

/// Files that options name, into the folder that the program runs in. Throws Error(usage) where one is missing or two
/// have the same name.
std::vector<CopiedFile> files_to_copy(const std::vector<std::string>& arguments);

/// The sum of their lengths.
uint64_t bytes_of(const std::vector<CopiedFile>& files);

/// Where the program runs, below the folder.
inline constexpr const char* kWorkFolder = "work";

}  // namespace tally::tools
