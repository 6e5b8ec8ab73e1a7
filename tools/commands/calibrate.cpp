#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tally/platforms/conditions.h"
#include "tally/platforms/system_files.h"
#include "tools/commands/commands.h"
#include "tools/machine/calibration.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"
#include "tools/output/report.h"

namespace tally::tools {

namespace {

struct Options {
  OutputOptions output;
  std::string file;
  double seconds = 30;
  bool quick = false, no_file = false;
};

/// p90 ÷ p10 − 1 of its samples: how far they lie apart.
Cell spread_of(const Figure& f) { return f.samples > 0 && f.p10 > 0 ? Cell(f.p90 / f.p10 - 1) : Cell(); }
Cell giga(const Figure& f) { return f.value > 0 ? Cell(f.value * 1e-9) : Cell(); }

void add_rate(Table& table, std::vector<Cell> names, const Rate& rate) {
  for (Cell cell : {giga(rate.one_core), spread_of(rate.one_core), giga(rate.all_cores), spread_of(rate.all_cores)})
    names.push_back(std::move(cell));
  table.rows.push_back(std::move(names));
}

void add_rate_columns(Table& table, const char* one_key, const char* all_key) {
  table.columns.push_back({one_key, "rate", Unit::rate, "one core"});
  table.columns.push_back({std::string(one_key) + "_spread", "spread", Unit::share, "one core"});
  table.columns.push_back({all_key, "rate", Unit::rate, "all cores"});
  table.columns.push_back({std::string(all_key) + "_spread", "spread", Unit::share, "all cores"});
}

Table peak_table(const MachineCluster& cluster) {
  Table table;
  table.columns = {{"isa", "instruction set"}, {"dtype", "dtype"}};
  add_rate_columns(table, "gmacs_one_core", "gmacs_all_cores");
  for (const PeakRate& peak : cluster.peaks) add_rate(table, {peak.isa, peak.dtype}, peak.macs_per_s);
  return table;
}

Table level_table(const MachineCluster& cluster) {
  Table table;
  table.columns = {{"level", "level"}, {"bytes", "size", Unit::bytes}, {"access", "access"}};
  add_rate_columns(table, "gbytes_one_core", "gbytes_all_cores");
  for (const MemoryLevel& level : cluster.levels) {
    const auto add = [&](const char* access, const Rate& rate) {
      add_rate(table, {level.name, level.bytes > 0 ? Cell(level.bytes) : Cell(std::string("-")), std::string(access)},
               rate);
    };
    add("read", level.read);
    add("write", level.write);
    add("copy", level.copy);
  }
  return table;
}

// load: before it was calibrated, which itself loads every core
Report calibration_report(const MachineFile& file, std::optional<double> load, const std::string& written) {
  Report report;
  report.title = file.name + ": what this machine can do";
  const MachineCluster& first = file.clusters.front();
  report.facts = {formatted("{} cluster{} · timer {} · load average {} before", file.clusters.size(),
                            file.clusters.size() == 1 ? "" : "s", tick_source(),
                            load ? formatted("{:.2f}", *load) : "n/a")};
  for (const MachineCluster& cluster : file.clusters) {
    const std::string of = file.clusters.size() > 1 ? formatted(" of {} ({} cores)", cluster.name, cluster.cores) : "";
    report.parts.push_back({"Multiply-accumulates" + of + ", GMAC/s", peak_table(cluster)});
    report.parts.push_back({"Bandwidth" + of + ", GB/s", level_table(cluster)});
  }
  const int samples = first.peaks.empty() ? 0 : first.peaks.front().macs_per_s.one_core.samples;
  report.notes = {
      formatted("- Every rate is the one that nine in ten of its {} samples do not exceed: other work on the machine "
                "only ever slows. Spread: the 90th percentile over the 10th, less one. Samples of all figures take "
                "turns.",
                samples),
      "- Multiply-accumulates: the step of each number format in registers alone (fp16 is stored as fp16 and computed "
      "in fp32). A copy's bytes are those read and those written; a write to a cache line fetches it first.",
      formatted("- Calling a kernel that has one vector to copy takes {}.", duration_text(first.call_ns.value))};
  if (load && *load > 0.5)
    report.notes.push_back(
        formatted("- Other programs were running (load average {:.2f}): rates, those of all cores "
                  "above all, are too low. Calibrate on a quiet machine.",
                  *load));
  if (written.empty())
    report.notes.push_back("- No machine file was written.");
  else if (written == default_machine_path())
    report.notes.push_back("- Machine file: " + written +
                           " (profile and bench use it unless --machine names another).");
  else
    report.notes.push_back("- Machine file: " + written + " (for --machine of profile, bench and estimate).");
  return report;
}

int calibrate_command(const Options& options) {
  if (!(options.seconds > 0 && options.seconds <= 3600))
    fail("--seconds", text(options.seconds), "must be above 0 and at most 3600", ErrorCode::usage);
  CalibrationOptions how;
  how.seconds = options.seconds;
  if (options.quick) how = {std::min(options.seconds, 4.0), 3e5, 3, 40};
  Progress progress(options.output.quiet);
  const std::optional<double> load = load_average(system_files());
  const nlohmann::ordered_json head = new_document("machine", nullptr, std::nullopt);
  const MachineFile file = calibrate(how, [&](const std::string& what) { progress.show("calibrating: " + what); });
  progress.wipe();
  const auto document = [&] { return to_json(file, head); };
  std::string written;
  if (!options.no_file) {
    std::filesystem::path path = options.file;
    if (path.empty()) {
      path = default_machine_path();
      if (path.empty())
        fail("calibrate", "neither HOME nor XDG_CONFIG_HOME is set", "must be, or --output FILE", ErrorCode::usage);
      std::error_code ignored;
      std::filesystem::create_directories(path.parent_path(), ignored);
    }
    written = path.string();
    write_data(as_text(document()), written);
  }
  OutputOptions output = options.output;
  output.file.clear();
  write_report(calibration_report(file, load, written), document, output);
  return 0;
}

}  // namespace

void add_calibrate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("calibrate", "What this machine can do: its peaks and bandwidths, in a file");
  command->add_option("--seconds", options->seconds, "time to measure for")->type_name("S")->capture_default_str();
  command->add_flag("--quick", options->quick, "four seconds of short samples");
  command->add_flag("--no-file", options->no_file, "print what was found, write no machine file");
  add_output_options(*command, options->output);
  CLI::Option* output = command->get_option("--output");
  command->remove_option(output);
  command
      ->add_option("--output", options->file,
                   "the machine file (default: tally/machine.json in $XDG_CONFIG_HOME or ~/.config)")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  tally calibrate\n"
      "  tally calibrate --quick --output pi.json\n"
      "  tally profile lenet5.onnx --seed 1 --machine pi.json");
  command->callback([options, &action] { action = [options] { return calibrate_command(*options); }; });
}

}  // namespace tally::tools
