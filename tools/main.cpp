#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/device/device_words.h"
#include "tools/output/exit_code.h"
#include "tools/output/machine.h"
#include "tools/output/screen.h"

// All commands, or those that TALLY_COMMANDS of CMake chose.
#if !defined(TALLY_COMMANDS)
#define TALLY_COMMANDS "tools/commands/commands.inc"
#endif

namespace {

using tally::ErrorCode;
using tally::tools::exit_code, tally::tools::kBadInput, tally::tools::kInternal, tally::tools::kUsage;

void describe(CLI::App& app) {
  app.set_version_flag("--version", tally::tools::version_text, "version, compiler, flags and instruction sets");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 a check failed; 2 usage; 3 the model or an input is bad, unsupported or over a limit;\n"
      "4 this machine cannot do it; 5 internal error.\n\n"
      "Examples:\n"
      "  tally estimate model.onnx                       what it should cost\n"
      "  tally profile model.onnx --seed 1               ... what its kernels did, and what it took\n"
      "  tally run model.onnx -i x.npy -o results        one inference\n"
      "  tally verify model.onnx                         against the answers stored next to it");
}

/// Throws Error(usage) where the first word of the command line, options aside, is no command.
void refuse_unknown_command(const CLI::App& app, int argc, char** argv) {
  const char* const* word = std::find_if(argv + 1, argv + argc, [](const char* argument) { return *argument != '-'; });
  if (word == argv + argc) return;
  std::string names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == *word) return;
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  tally::fail("command", "'" + std::string(*word) + "'", "must be one of " + names, ErrorCode::usage);
}

/// Makes the stack as large as any command needs, while there is memory: growing it later, with the address space used
/// up (ulimit -v), would be a segmentation fault in the middle of a run.
[[gnu::noinline]] void grow_stack() {
  constexpr size_t kBytes = size_t{512} << 10, kPage = 4096;
  [[maybe_unused]] volatile char pages[kBytes];
  for (size_t at = kBytes; at >= kPage; at -= kPage) pages[at - kPage] = 0;
}

/// Runs `command`; whatever goes wrong but for want of memory becomes one line on stderr and an exit code.
template <class F>
int reported(F command, bool quiet) {
  const auto report = [&](const std::string& what, int code) {
    tally::tools::message("error: " + what, quiet);
    return code;
  };
  try {
    return command();
  } catch (const tally::Error& e) {
    return report((e.code == ErrorCode::internal ? "internal: " : "") + std::string(e.what()), exit_code(e.code));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    return report(std::string("internal: ") + e.what(), kInternal);
  }
}

/// The same for want of memory too, be it to say what went wrong: that line is there already.
template <class F>
int guarded(F command, bool quiet) {
  try {
    return reported(command, quiet);
  } catch (const std::bad_alloc&) {
    if (!quiet)
      std::fputs("tally: error: out of memory: must fit this machine's memory (--max-memory bounds what is tried)\n",
                 stderr);
    return kBadInput;
  }
}

}  // namespace

int main(int argc, char** argv) {
  grow_stack();
  CLI::App app("Tally: runs ONNX models on the CPU and counts what every layer should cost, did and took.", "tally");
  tally::tools::Action action;
  const bool quiet = std::any_of(argv + 1, argv + argc, [](const char* argument) {
    return std::strcmp(argument, "--quiet") == 0 || std::strcmp(argument, "-q") == 0;
  });
  return guarded(
      [&]() -> int {
        describe(app);
#define TALLY_COMMAND(name) tally::tools::add_##name(app, action);
#include TALLY_COMMANDS
#undef TALLY_COMMAND
        try {
          std::vector<std::string> words = tally::tools::spelled_out(argc, argv);
          std::reverse(words.begin(), words.end());  // the order that CLI11 takes
          app.parse(std::move(words));
        } catch (const CLI::ParseError& e) {
          if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
          const auto chosen = app.get_subcommands();
          if (chosen.empty()) refuse_unknown_command(app, argc, argv);
          const std::string name = chosen.empty() ? "tally" : "tally " + chosen.front()->get_name();
          tally::tools::message(std::string("error: ") + e.what() + " (see " + name + " --help)", quiet);
          return kUsage;
        }
        return action();
      },
      quiet);
}
