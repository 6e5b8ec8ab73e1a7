#include "tally/platforms/system_files.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace tally {

namespace {

constexpr size_t kMostText = 1 << 20;
constexpr int kMostCpus = 1 << 13;

}  // namespace

bool SystemFiles::exists(const std::string& path) const { return access((root_ + path).c_str(), F_OK) == 0; }

// Opened rather than asked for: the superuser's access() says yes to files that other rules deny.
bool SystemFiles::readable(const std::string& path) const {
  std::ifstream file(root_ + path);
  return file.good() && file.peek() != std::ifstream::traits_type::eof();
}

std::string SystemFiles::text(const std::string& path) const {
  std::ifstream file(root_ + path, std::ios::binary);
  std::string text(kMostText, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

std::optional<std::string> SystemFiles::line(const std::string& path) const {
  std::ifstream file(root_ + path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<int64_t> SystemFiles::number(const std::string& path) const {
  const std::optional<std::string> text = line(path);
  return text ? integer_in(*text) : std::nullopt;
}

std::vector<std::string> SystemFiles::entries(const std::string& folder) const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(root_ + folder, error), end;
  for (; !error && at != end; at.increment(error)) names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> SystemFiles::output_of(const std::string& path, const std::string& arguments) const {
  const std::string program = root_ + path;
  if (program.find('\'') != std::string::npos || access(program.c_str(), X_OK) != 0) return std::nullopt;
  FILE* pipe = popen(("'" + program + "' " + arguments + " 2>/dev/null </dev/null").c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text(kMostText, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  if (pclose(pipe) != 0) return std::nullopt;
  return text;
}

const SystemFiles& system_files() {
  static const SystemFiles files;
  return files;
}

std::vector<int> cpus_in(const std::string& list) {
  std::vector<int> cpus;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at != end) {
    int first = 0;
    auto [stop, error] = std::from_chars(at, end, first);
    if (error != std::errc() || first < 0) break;
    int last = first;
    if (stop != end && *stop == '-') {
      const auto range = std::from_chars(stop + 1, end, last);
      if (range.ec != std::errc()) break;
      stop = range.ptr;
    }
    for (int cpu = first; cpu <= last && cpu < kMostCpus; ++cpu) cpus.push_back(cpu);
    if (stop == end || *stop != ',') break;
    at = stop + 1;
  }
  return cpus;
}

std::optional<int64_t> integer_in(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return std::nullopt;
  const size_t last = text.find_last_not_of(" \t\r\n");
  int64_t value = 0;
  const char* const end = text.data() + last + 1;
  const auto [stop, error] = std::from_chars(text.data() + first, end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace tally
