#include "tools/device/remote_folder.h"

#include "tally/engine/error.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

/// What `mktemp` answered, if it is a path that we asked for: it will be handed to `rm -rf`.
bool ours(const std::string& path) {
  const size_t slash = path.rfind('/');
  return plain_path(path) && slash != std::string::npos && path.substr(slash + 1).starts_with("tally.") &&
         path.size() - slash > sizeof "/tally.";
}

}  // namespace

RemoteFolder::RemoteFolder(const Connection& connection, const std::string& beneath, bool quiet)
    : connection_(connection), quiet_(quiet) {
  const std::string parent = beneath.empty() ? connection.default_folder() : shell_word(beneath);
  const Answer answer = connection.ask("umask 077\nsection path\nmktemp -d " + parent + "/tally.XXXXXXXX", {});
  const std::string path = answer.word("path");
  if (answer.code != 0 || !ours(path))
    fail("device '" + connection.address() + "'", "no temporary folder could be made below " + parent,
         "must have one that can be written: --folder PATH", ErrorCode::machine);
  path_ = path;
}

RemoteFolder::~RemoteFolder() {
  constexpr double kSeconds = 30;
  const std::string number = path_ + "/" + kProcessFile;
  try {
    const Answer answer =
        connection_.ask("[ -r " + number + " ] && kill $(cat " + number + ") 2>/dev/null\nrm -rf " + path_,
                        {.seconds = kSeconds, .waiting = {}, .heeds_interrupts = false});
    if (answer.code == 0) return;
  } catch (const std::exception&) {
    // Said below: a destructor must not throw, and the error that led here is the one that matters.
  }
  message("warning: device '" + connection_.address() + "': " + path_ + " could not be removed", quiet_);
}

}  // namespace tally::tools
