#include "tally/engine/onnx/files.h"

#include <algorithm>
#include <fstream>

#include "tally/engine/error.h"

namespace tally::onnx {
namespace fs = std::filesystem;
namespace {

std::string name_of(const fs::path& file) { return "file '" + file.string() + "'"; }

/// Size of a regular file. Pipes and devices have none, and reading them may never end. `node`: as errors name it;
/// empty where the caller adds it, and what is found then names the file.
uint64_t regular_size(const fs::path& file, const std::string& node) {
  const std::string found = node.empty() ? name_of(file) + " " : "";
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status)) fail(node, found + "does not exist", "must be a readable file");
  if (!fs::is_regular_file(status)) fail(node, found + "is no regular file", "must be one");
  const uint64_t size = fs::file_size(file, error);
  if (error) fail(node, found + "has no size: " + error.message(), "must be a readable file");
  return size;
}

constexpr const char* kInside = "must lie in the model's folder";

}  // namespace

void check_location(const std::string& location) {
  const fs::path path(location);
  const bool text = !location.empty() && location.find('\0') == std::string::npos;
  if (!text || path.is_absolute() || std::find(path.begin(), path.end(), fs::path("..")) != path.end())
    fail("", "external data '" + location + "'", kInside);
}

std::vector<std::byte> read_file(const fs::path& file, size_t max_bytes) {
  const uint64_t size = regular_size(file, name_of(file));
  if (size > max_bytes)
    fail(name_of(file), text(size, " bytes"), text("must be at most ", max_bytes, " (--max-memory)"), ErrorCode::limit);
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!in) fail(name_of(file), "cannot be read", "must be a readable file");
  return bytes;
}

fs::path external_file(const fs::path& folder, const std::string& location) {
  check_location(location);
  const std::string found = "external data '" + location + "'";
  if (folder.empty()) fail("", found, "must not be used: the model has no folder");
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder, error);
  if (error) fail("", found + ": " + error.message(), kInside);
  const fs::path file = fs::weakly_canonical(root / location, error);
  if (error) fail("", found + ": " + error.message(), kInside);
  const auto [root_end, inside] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  if (root_end != root.end() || inside == file.end()) fail("", found, kInside);
  return file;
}

void check_range(const fs::path& file, uint64_t offset, uint64_t length) {
  const uint64_t size = regular_size(file, "");
  if (offset > size || length > size - offset)
    fail("", text("bytes ", offset, " to ", offset, "+", length, " of ", file.filename().string()),
         text("must lie within its ", size, " bytes"));
}

void read_range(const fs::path& file, uint64_t offset, uint64_t length, void* into) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(static_cast<char*>(into), static_cast<std::streamsize>(length));
  if (!in) fail("", name_of(file) + " cannot be read", "must be a readable file");
}

void write_file(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.flush();
  if (!out) fail(name_of(file), "cannot be written", "must be a writable file");
}

}  // namespace tally::onnx
