#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tally {

/// What the kernel tells in files (/sys, /proc), beneath a root that tests replace by a tree of their own. Nothing here
/// throws: a file that is missing, denied or no number is nothing.
class SystemFiles {
 public:
  /// `root` goes before every path; empty: the running system.
  explicit SystemFiles(std::string root = {}) : root_(std::move(root)) {}

  /// False for a tree of a test, where nothing may be asked of this machine's CPU instead.
  bool of_this_machine() const { return root_.empty(); }
  bool exists(const std::string& path) const;
  bool readable(const std::string& path) const;
  /// At most 1 MiB of the file; empty where it cannot be read.
  std::string text(const std::string& path) const;
  /// The first line without its end.
  std::optional<std::string> line(const std::string& path) const;
  /// The first line as a decimal integer.
  std::optional<int64_t> number(const std::string& path) const;
  /// Names in a folder, sorted; none where it cannot be read.
  std::vector<std::string> entries(const std::string& folder) const;
  /// What the program at `path` writes with these arguments; nothing where it is missing or fails. The arguments are
  /// the shell's: of our own only.
  std::optional<std::string> output_of(const std::string& path, const std::string& arguments) const;

 private:
  std::string root_;
};

/// The running system.
const SystemFiles& system_files();

/// CPUs in a list such as "0-3,8": {0, 1, 2, 3, 8}. What is no such list ends it.
std::vector<int> cpus_in(const std::string& list);

/// A decimal integer, blanks around it aside; nothing where anything else stands there.
std::optional<int64_t> integer_in(const std::string& text);

}  // namespace tally
