#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tally::onnx {

/// A regular file's bytes. Throws Error(model) naming the file where it is none or cannot be read, Error(limit) where
/// it is longer than max_bytes.
std::vector<std::byte> read_file(const std::filesystem::path& file, size_t max_bytes);

/// Checks where an external tensor claims to lie: at a relative path without "..". Throws Error(model) without a node.
void check_location(const std::string& location);

/// The file that it names, once it is certain that no symbolic link on the way leads out of `folder` either. Throws
/// Error(model) without a node.
std::filesystem::path external_file(const std::filesystem::path& folder, const std::string& location);

/// Checks that `file` holds bytes [offset, offset + length). Throws Error(model) without a node.
void check_range(const std::filesystem::path& file, uint64_t offset, uint64_t length);

/// Reads them; to be checked first.
void read_range(const std::filesystem::path& file, uint64_t offset, uint64_t length, void* into);

/// Writes a file. Throws Error(model) naming it where that fails.
void write_file(const std::filesystem::path& file, const std::string& bytes);

}  // namespace tally::onnx
