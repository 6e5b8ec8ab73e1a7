#pragma once
// One function a command: adds it, its options and its examples to the program.
#include <functional>

#include "CLI/CLI.hpp"

namespace tally::tools {

/// What the command line asked for; returns the exit code. Set by the chosen command's parse.
using Action = std::function<int()>;

void add_run(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_estimate(CLI::App& app, Action& action);
void add_profile(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
void add_explain(CLI::App& app, Action& action);
void add_ops(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_fit(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_device(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);

}  // namespace tally::tools
