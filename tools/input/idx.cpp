#include "tools/input/idx.h"

#include <algorithm>
#include <regex>

#include "tally/engine/error.h"
#include "tally/engine/shape.h"
#include "tools/input/byte_source.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

constexpr uint32_t kImagesMagic = 0x00000803, kLabelsMagic = 0x00000801;  // unsigned bytes; rank 3 and 1

uint32_t read_word(ByteSource& source, const char* what) {
  std::byte bytes[4] = {};
  if (source.read(bytes) != 4) fail(source.who(), text("ends within its ", what), "must be an idx file");
  uint32_t word = 0;
  for (const std::byte b : bytes) word = word << 8 | static_cast<uint32_t>(b);
  return word;
}

std::string hex(uint32_t word) {
  std::ostringstream out;
  out << "0x" << std::hex << word;
  return out.str();
}

/// The extents, `rank` of them and none 0, after the magic.
Shape read_header(ByteSource& source, uint32_t magic, int rank) {
  const uint32_t found = read_word(source, "magic number");
  if (found != magic) fail(source.who(), "magic number " + hex(found), "must be " + hex(magic));
  Shape extents;
  for (int d = 0; d < rank; ++d) extents.push_back(read_word(source, "extents"));
  for (const int64_t extent : extents)
    if (extent == 0) fail(source.who(), "extents " + to_string(extents), "must be at least 1");
  return extents;
}

/// `wanted` of the `declared` bytes that follow the header; memory grows with what is there, not with what is declared.
std::vector<uint8_t> read_body(ByteSource& source, int64_t declared, int64_t wanted, size_t max_bytes) {
  if (wanted > static_cast<int64_t>(max_bytes))
    fail(source.who(), text(wanted, " bytes of data"), text("must be at most ", max_bytes, " (--max-memory)"),
         ErrorCode::limit);
  std::vector<uint8_t> data;
  constexpr size_t kPiece = 1 << 20;
  while (static_cast<int64_t>(data.size()) < wanted) {
    const size_t have = data.size(), take = std::min(kPiece, static_cast<size_t>(wanted) - have);
    data.resize(have + take);
    if (const size_t got = source.read(std::as_writable_bytes(std::span(data).subspan(have))); got < take)
      fail(source.who(), text(have + got, " bytes of data"), text("must be ", declared));
  }
  std::byte more{};
  if (wanted == declared && source.read({&more, 1}) != 0)
    fail(source.who(), text("more than ", declared, " bytes of data"), text("must be ", declared));
  return data;
}

int64_t within(int64_t limit, int64_t count) { return limit < 0 ? count : std::min(limit, count); }

}  // namespace

IdxImages read_idx_images(const fs::path& file, int64_t limit, size_t max_bytes) {
  ByteSource source(file);
  const Shape extents = read_header(source, kImagesMagic, 3);
  const int64_t declared = element_count(extents, source.who());
  IdxImages images{within(limit, extents[0]), extents[1], extents[2], {}};
  images.pixels = read_body(source, declared, images.count * images.rows * images.columns, max_bytes);
  return images;
}

std::vector<uint8_t> read_idx_labels(const fs::path& file, int64_t limit, size_t max_bytes) {
  ByteSource source(file);
  const int64_t declared = read_header(source, kLabelsMagic, 1)[0];
  return read_body(source, declared, within(limit, declared), max_bytes);
}

IdxPair find_idx_pair(const fs::path& folder, const std::string& split) {
  const std::string who = "folder '" + folder.string() + "'";
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(who, "no folder", "must hold idx files");
  static const std::regex pattern("(.*)images([-.])idx3-ubyte(\\.gz)?");
  const auto of_split = [&](const std::string& prefix) {
    if (split == "train") return prefix.find("train") != std::string::npos;
    return prefix.find("t10k") != std::string::npos || prefix.find("test") != std::string::npos;
  };
  IdxPair best;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::smatch match;
    const std::string name = entry.path().filename().string();
    if (!std::regex_match(name, match, pattern) || !of_split(match[1])) continue;
    const fs::path current = best.images.filename();
    if (!best.images.empty() && std::pair(current.string().size(), current.string()) <= std::pair(name.size(), name))
      continue;
    const std::string labels = match[1].str() + "labels" + match[2].str() + "idx1-ubyte";
    best = {entry.path(), fs::exists(folder / labels) ? folder / labels : folder / (labels + ".gz")};
  }
  if (best.images.empty())
    fail(who, "no images of the " + split + " split",
         "must hold e.g. " + std::string(split == "train" ? "train" : "t10k") + "-images-idx3-ubyte.gz");
  if (!fs::exists(best.labels, error))
    fail(who, "no '" + best.labels.filename().string() + "'", "must hold the labels of its images");
  return best;
}

}  // namespace tally::tools
