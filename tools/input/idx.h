#pragma once
// The idx format of the MNIST family: big-endian magic and extents, then bytes.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tally::tools {

/// `count` images of rows × columns bytes, row-major, one after the other.
struct IdxImages {
  int64_t count = 0, rows = 0, columns = 0;
  std::vector<uint8_t> pixels;
};

/// Reads the first `limit` images (all where it is negative). Throws Error(model) on a wrong magic, extents of 0, too
/// few or too many bytes; Error(limit) above `max_bytes`.
IdxImages read_idx_images(const std::filesystem::path& file, int64_t limit, size_t max_bytes);
std::vector<uint8_t> read_idx_labels(const std::filesystem::path& file, int64_t limit, size_t max_bytes);

struct IdxPair {
  std::filesystem::path images, labels;
};

/// The image and label files of a split ("test": names with t10k or test; "train": with train) in a folder:
/// <prefix>images[-.]idx3-ubyte[.gz] and the same with labels, idx1; the shortest such name where there are several.
/// Throws Error(model) naming what is missing.
IdxPair find_idx_pair(const std::filesystem::path& folder, const std::string& split);

}  // namespace tally::tools
