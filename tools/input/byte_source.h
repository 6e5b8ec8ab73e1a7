#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace tally::tools {

/// The bytes of a file in order, unpacked where it is gzip's (by its first bytes, not its name).
class ByteSource {
 public:
  /// Throws Error(model) where the file cannot be opened, Error(machine) on gzip in a build without zlib.
  explicit ByteSource(const std::filesystem::path& file);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills as much of `bytes` as there is; fewer only at the end. Throws Error(model) on broken gzip data.
  size_t read(std::span<std::byte> bytes);

  const std::string& who() const { return who_; }  ///< "file 'x.gz'", for errors

 private:
  struct Stream;
  std::string who_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace tally::tools
