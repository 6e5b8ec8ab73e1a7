#pragma once
// One function a command: adds it, its options and its examples to the program.
#include <functional>

namespace CLI {
class App;
}

namespace CLI {
class App;
}

namespace tally::tools {

/// What the command line asked for; returns the exit code. Set by the chosen command's parse.
using Action = std::function<int()>;

#define TALLY_COMMAND(name) void add_##name(CLI::App& app, Action& action);
#include "tools/commands/commands.inc"
#undef TALLY_COMMAND

}  // namespace tally::tools
