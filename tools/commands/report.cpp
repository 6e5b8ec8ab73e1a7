#include <memory>

#include "CLI/CLI.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/html/page.h"
#include "tools/input/options.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

struct Options {
  std::vector<std::string> files;
  std::string output;
  bool quiet = false;
};

int report_command(const Options& options) {
  constexpr size_t kMostFiles = 64;
  if (options.files.size() > kMostFiles)
    fail("FILE", text(options.files.size(), " documents"), text("must be at most ", kMostFiles), ErrorCode::usage);
  std::vector<Recording> recordings;
  for (const std::string& file : options.files) recordings.push_back(read_recording(file));
  const std::string page = page_of(recordings);
  write_data(page, options.output);
  if (!options.output.empty()) message("wrote " + options.output, options.quiet);
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report", "A page of charts and tables from the JSON of other commands");
  command->add_option("FILE", options->files, "JSON of profile, bench, estimate, profile --per-step or calibrate")
      ->required()
      ->type_name("");
  command->add_option("-o,--output", options->output, "write to FILE instead of standard output")->type_name("FILE");
  command->add_flag("-q,--quiet", options->quiet, "nothing on standard error");
  command->footer(
      "The page is one HTML file that needs no network, for screens, phones and paper. Several documents are "
      "compared;\n"
      "a machine file draws its roofs over profiles of the same CPU.\n\n"
      "Examples:\n"
      "  tally profile lenet5.onnx --seed 1 --format json --output profile.json\n"
      "  tally report profile.json -o lenet5.html\n"
      "  tally report pi4.json pi5.json phone.json -o devices.html");
  command->callback([options, &action] { action = [options] { return report_command(*options); }; });
}

}  // namespace tally::tools
