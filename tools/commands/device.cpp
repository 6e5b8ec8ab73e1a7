#include <signal.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tools/commands/commands.h"
#include "tools/device/adb_connection.h"
#include "tools/device/device_document.h"
#include "tools/device/device_run.h"
#include "tools/device/device_words.h"
#include "tools/device/run_store.h"
#include "tools/device/ssh_connection.h"
#include "tools/output/document.h"
#include "tools/output/exit_code.h"
#include "tools/output/formatted.h"
#include "tools/output/report.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

struct Options {
  std::vector<std::string> ssh, adb, models, with, passed, ssh_options;
  std::string binary, folder, through, store = "device-runs", max_memory = "2G";
  double seconds = 3600;
  bool bench = false;
  OutputOptions output;
};

/// True where the options say what the model's inputs are.
bool has_inputs(const std::vector<std::string>& options) {
  return std::any_of(options.begin(), options.end(), [](const std::string& word) {
    return word.starts_with("-i") || word.starts_with("--input") || word.starts_with("--seed");
  });
}

DeviceTask task_of(const Options& options) {
  DeviceTask task;
  if (options.ssh.empty() && options.adb.empty())
    fail("tally device run", "without a device", "must have --ssh HOST or --adb [SERIAL]", ErrorCode::usage);
  if (!options.folder.empty() && !plain_path(options.folder))
    fail("--folder", "'" + options.folder + "'", "must be an absolute path of letters, digits and . _ - + /",
         ErrorCode::usage);
  if (!(options.seconds > 0 && options.seconds <= 1e6))
    fail("--timeout", text(options.seconds), "must be above 0, at most 1000000", ErrorCode::usage);
  for (const std::string& word : options.passed)
    if (word.starts_with("--format") || word.starts_with("--output"))
      fail("option '" + word + "' after --", "is the runner's own", "must be left out: what is brought back is JSON",
           ErrorCode::usage);
  std::istringstream words(options.through);
  for (std::string word; words >> word;) task.through.push_back(word);
  if (options.bench && emulates(task.through))
    fail("--bench", "through an emulator", "must run on the device: an emulator's times say nothing of it",
         ErrorCode::usage);
  task.command = options.bench ? "bench" : "profile";
  task.models =
      models_to_copy(options.models, static_cast<size_t>(parse_quantity("--max-memory", options.max_memory, 1024)));
  task.more = files_to_copy(options.with);
  task.options = options.passed;
  if (!has_inputs(options.passed)) task.options.insert(task.options.begin(), {"--seed", "1"});
  task.binary = options.binary;
  task.folder = options.folder;
  task.store = options.store;
  task.seconds = options.seconds;
  task.quiet = options.output.quiet;
  return task;
}

using MakeConnection = std::function<std::unique_ptr<Connection>()>;

/// One a device, in the order of the options; a connection is made when its turn has come.
std::vector<std::pair<std::string, MakeConnection>> connections_of(const Options& options) {
  std::vector<std::pair<std::string, MakeConnection>> made;
  for (const std::string& host : options.ssh) {
    auto connection = std::make_shared<std::unique_ptr<Connection>>(
        std::make_unique<SshConnection>(host, options.ssh_options));  // now: a bad name is an error of usage
    made.emplace_back(host, [connection] { return std::move(*connection); });
  }
  for (const std::string& serial : options.adb)
    made.emplace_back("adb " + serial,
                      [serial] { return std::make_unique<AdbConnection>(serial == kAnyDevice ? "" : serial); });
  return made;
}

DeviceOutcome outcome_of(const std::string& name, const MakeConnection& connect, const DeviceTask& task) {
  try {
    return run_on_device(*connect(), task);
  } catch (const Error& e) {
    DeviceOutcome outcome;
    outcome.name = outcome.address = name;
    outcome.failures.push_back(e);
    return outcome;
  }
}

void tell(const DeviceOutcome& outcome, const DeviceTask& task) {
  const std::vector<std::string> reasons = unfit_device(outcome.found);
  if (!reasons.empty() && !emulates(task.through))
    message(formatted("warning: device '{}': not fit to measure: {}", outcome.address, joined(reasons, ", ")),
            task.quiet);
  for (const Error& error : outcome.failures) message(std::string("error: ") + error.what(), task.quiet);
}

Table found_table(const DeviceOutcome& outcome, const DeviceTask& task) {
  Table table;
  table.columns = {{"what", ""}, {.key = "found", .title = "", .unit = Unit::text, .shrink_to = 40, .wraps = true}};
  for (const auto& [what, found] : inspection_lines(outcome.found)) table.rows.push_back({what, found});
  if (!outcome.program) return table;
  const std::string kind = outcome.program->elf.interpreter.empty() ? "static" : "dynamic";
  table.rows.push_back({std::string("program"),
                        formatted("{}, {}, {}{}", outcome.version.empty() ? "not started" : outcome.version,
                                  outcome.program->elf.machine, kind,
                                  task.through.empty() ? "" : formatted(", through {}", joined(task.through, " ")))});
  return table;
}

Report device_report(const std::vector<DeviceOutcome>& outcomes, const DeviceTask& task) {
  Report report;
  report.title = formatted("tally {} on {} device{}", task.command, outcomes.size(), outcomes.size() == 1 ? "" : "s");
  report.facts = {formatted("options: {}", joined(task.options, " "))};
  Table runs;
  runs.columns = {{.key = "device", .title = "device", .unit = Unit::text, .shrink_to = 12},
                  {.key = "model", .title = "model", .unit = Unit::text, .shrink_to = 12},
                  {"executed_macs", "MACs", Unit::count},
                  {"median_ns", "median", Unit::ns},
                  csv_column("file")};
  for (const DeviceOutcome& outcome : outcomes) {
    if (!outcome.found.machine.empty()) report.parts.push_back({outcome.address, found_table(outcome, task)});
    for (const StoredRun& run : outcome.runs)
      runs.rows.push_back({outcome.name, run.model, run.macs ? Cell(*run.macs) : Cell(),
                           run.median_ns ? Cell(*run.median_ns) : Cell(), run.file.string()});
    for (const StoredRun& run : outcome.runs) report.notes.push_back("- " + run.file.string());
  }
  if (runs.rows.empty()) return report;
  report.parts.push_back({"Stored here", std::move(runs)});
  if (emulates(task.through)) report.notes.push_back("- Emulated: counts are exact, times are n/a.");
  return report;
}

nlohmann::ordered_json outcomes_document(const std::vector<DeviceOutcome>& outcomes) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("device", nullptr, std::nullopt);
  document["devices"] = ordered_json::array();
  for (const DeviceOutcome& outcome : outcomes) {
    ordered_json device{{"name", outcome.name}, {"transport", outcome.transport}, {"address", outcome.address}};
    device.update(device_json(outcome.found));
    device["state"] = device_state_json(outcome.found);
    device["runs"] = ordered_json::array();
    for (const StoredRun& run : outcome.runs)
      device["runs"].push_back({{"model", run.model},
                                {"file", run.file.string()},
                                {"executed_macs", run.macs ? ordered_json(*run.macs) : ordered_json()},
                                {"median_ns", run.median_ns ? ordered_json(*run.median_ns) : ordered_json()}});
    device["errors"] = ordered_json::array();
    for (const Error& error : outcome.failures) device["errors"].push_back(error.what());
    document["devices"].push_back(std::move(device));
  }
  return document;
}

int device_run_command(const Options& options) {
  const auto connections = connections_of(options);
  const DeviceTask task = task_of(options);
  std::vector<DeviceOutcome> outcomes;
  int signal_received = 0;
  {
    const InterruptWatch watch;
    for (const auto& [name, connect] : connections) {
      if (InterruptWatch::received() != 0) break;
      outcomes.push_back(outcome_of(name, connect, task));
      tell(outcomes.back(), task);
    }
    signal_received = InterruptWatch::received();
  }
  if (signal_received != 0)
    raise(signal_received);  // now that nothing is left on a device: as if it had not been caught
  const auto reached = [](const DeviceOutcome& outcome) { return !outcome.found.machine.empty(); };
  if (options.output.format == Format::json || std::any_of(outcomes.begin(), outcomes.end(), reached))
    write_report(
        device_report(outcomes, task), [&] { return outcomes_document(outcomes); }, options.output);
  for (const DeviceOutcome& outcome : outcomes)
    if (!outcome.failures.empty()) return exit_code(outcome.failures.front().code);
  return kDone;
}

void add_run_options(CLI::App& command, Options& options) {
  command.add_option("MODEL", options.models, "ONNX files, or folders with model.onnx; external data goes with them")
      ->required()
      ->type_name("");
  command.add_option("--ssh", options.ssh, "a device by ssh, with your keys and configuration; may be repeated")
      ->type_name("[USER@]HOST[:PORT]")
      ->allow_extra_args(false);
  command.add_option("--adb", options.adb, "an Android device by adb: the one attached, or SERIAL; may be repeated")
      ->type_name("[SERIAL]")
      ->allow_extra_args(false);
  command
      .add_option("--binary", options.binary, "tally for the device (default: pi64-static/tally … beside this build)")
      ->type_name("FILE");
  command.add_flag("--bench", options.bench, "bench instead of profile");
  command.add_option("--with", options.with, "a file that the options name, copied along; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command.add_option("--through", options.through, "what starts tally there, split at blanks: \"taskset -c 3\"")
      ->type_name("COMMAND");
  command.add_option("--store", options.store, "DIR/<device>/<model>-<utc>.json is written")
      ->type_name("DIR")
      ->capture_default_str();
  command
      .add_option("--folder", options.folder,
                  "where the temporary folder goes there (default: $TMPDIR or /tmp; by adb /data/local/tmp)")
      ->type_name("PATH");
  command.add_option("--ssh-option", options.ssh_options, "as of ssh -o: IdentityFile=key; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  command.add_option("--timeout", options.seconds, "seconds that one model may take")
      ->type_name("S")
      ->capture_default_str();
  command.add_option("--max-memory", options.max_memory, "bytes of a model file, at most")
      ->type_name("BYTES")
      ->capture_default_str();
  command.add_option("--pass", options.passed, "an option for tally there, the same as after --")
      ->type_name("WORD")
      ->allow_extra_args(false);
}

}  // namespace

void add_device(CLI::App& app, Action& action) {
  CLI::App* device = app.add_subcommand("device", "Run on devices elsewhere: run");
  device->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* command = device->add_subcommand("run", "Copy, profile there, bring the JSON back");
  add_run_options(*command, *options);
  add_output_options(*command, options->output);
  for (CLI::App* each : {device, command})
    each->footer(
        "Looks at the device first (architecture, disk, governor, temperature, throttling, load), runs the models one "
        "after\nthe other, and removes what it copied, after errors too. What follows -- goes to tally there; without "
        "-i or --seed\nthat is --seed 1. Needs no root there.\n\n"
        "Examples:\n"
        "  tally device run --ssh pi@raspberrypi.local lenet5.onnx\n"
        "  tally device run --ssh pi@pi4 --ssh pi@pi5:2222 lenet5.onnx lstm.onnx -- --threads 4\n"
        "  tally device run --adb lenet5.onnx --bench -- --seconds 10\n"
        "  tally device run --ssh pi@pi4 model.onnx --with x.npy -- -i x.npy\n"
        "  tally report device-runs/*/lenet5-*.json -o devices.html");
  command->callback([options, &action] { action = [options] { return device_run_command(*options); }; });
}

}  // namespace tally::tools
