#include "tools/input/byte_source.h"

#include <algorithm>
#include <fstream>

#include "tally/engine/error.h"

#if defined(TALLY_HAS_ZLIB)
#include <zlib.h>
#endif

namespace tally::tools {

#if defined(TALLY_HAS_ZLIB)

// zlib reads files that are not gzip's as they are.
struct ByteSource::Stream {
  gzFile file;
  explicit Stream(const std::filesystem::path& path) : file(gzopen(path.c_str(), "rb")) {}
  ~Stream() {
    if (file != nullptr) gzclose(file);
  }
  size_t read(std::span<std::byte> bytes, const std::string& who) {
    size_t done = 0;
    while (done < bytes.size()) {
      const auto most = static_cast<unsigned>(std::min<size_t>(bytes.size() - done, 1u << 20));
      const int got = gzread(file, bytes.data() + done, most);
      int error = Z_OK;
      if (const char* words = gzerror(file, &error); error != Z_OK && error != Z_STREAM_END)
        fail(who, std::string("gzip data: ") + words, "must be complete and unbroken");
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }
};

#else

namespace {

bool is_gzip(std::ifstream& in) {
  unsigned char magic[2] = {};
  in.read(reinterpret_cast<char*>(magic), 2);
  const bool gzip = in.gcount() == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  in.clear();
  in.seekg(0);
  return gzip;
}

}  // namespace

struct ByteSource::Stream {
  std::ifstream file;
  explicit Stream(const std::filesystem::path& path) : file(path, std::ios::binary) {}
  size_t read(std::span<std::byte> bytes, const std::string&) {
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return static_cast<size_t>(file.gcount());
  }
};

#endif

ByteSource::ByteSource(const std::filesystem::path& file) : who_("file '" + file.string() + "'") {
  std::error_code error;
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file, error)) fail(who_, "cannot be opened", "must be a readable file");
#if !defined(TALLY_HAS_ZLIB)
  if (is_gzip(in))
    fail(who_, "gzip data", "cannot be read: this build has no zlib; unpack it first", ErrorCode::machine);
#endif
  stream_ = std::make_unique<Stream>(file);
}

ByteSource::~ByteSource() = default;

size_t ByteSource::read(std::span<std::byte> bytes) { return stream_->read(bytes, who_); }

}  // namespace tally::tools
