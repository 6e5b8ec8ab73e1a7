#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/commands/commands.h"
#include "tools/machine/fit.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"
#include "tools/output/report.h"

namespace tally::tools {

namespace {

struct Options {
  std::string machine, file;
  std::vector<std::string> profiles;
  OutputOptions output;
};

/// Profiles of the same model are one model: what is held out must not be known from another run of it.
std::vector<FitModel> read_profiles(const std::vector<std::string>& files) {
  std::vector<FitModel> models;
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.empty()) fail("profile '" + file + "'", "cannot be read", "must be a file", ErrorCode::model);
    const auto document = nlohmann::ordered_json::parse(text, nullptr, false);
    if (document.is_discarded())
      fail("profile '" + file + "'", "no JSON", "must be a document tally.profile/1", ErrorCode::model);
    FitModel read = fit_rows(document, "profile '" + file + "'");
    const auto same = std::find_if(models.begin(), models.end(), [&](const FitModel& m) {
      return m.name == read.name && m.isa == read.isa && m.threads == read.threads;
    });
    if (same == models.end())
      models.push_back(std::move(read));
    else
      same->rows.insert(same->rows.end(), read.rows.begin(), read.rows.end());
  }
  return models;
}

Table coefficient_table(const Fit& fit) {
  Table table;
  table.columns = {{"kind", "layers"},
                   {"rows", "fitted to", Unit::count},
                   {"ns_per_mac", "ns a MAC", Unit::number},
                   {"ns_per_byte", "ns a byte", Unit::number},
                   {"ns_per_call", "ns a call", Unit::number}};
  const auto add = [&](const std::string& kind, const Correction& c) {
    table.rows.push_back({kind, int64_t{c.rows}, c.ns_per_mac, c.ns_per_byte, c.ns_per_call});
  };
  for (const auto& [op, correction] : fit.kinds) add(op, correction);
  add(fit.kinds.empty() ? "all" : "all others (fitted to all)", fit.overall);
  return table;
}

Table held_out_table(const HeldOut& held_out) {
  Table table;
  table.columns = {{"name", "left out", Unit::text, "", 12},
                   {"measured_ns", "measured", Unit::ns},
                   {"predicted_ns", "time", Unit::ns, "by the others"},
                   {"error", "error", Unit::share, "by the others"},
                   {"uncorrected_ns", "time", Unit::ns, "uncorrected"},
                   {"uncorrected_error", "error", Unit::share, "uncorrected"}};
  for (const HeldOut::Total& total : held_out.totals)
    table.rows.push_back({total.name, total.measured_ns, total.predicted_ns, total.predicted_ns / total.measured_ns - 1,
                          total.uncorrected_ns, total.uncorrected_ns / total.measured_ns - 1});
  return table;
}

int fit_command(const Options& options) {
  MachineFile machine = read_machine_file(options.machine);
  const std::vector<FitModel> models = read_profiles(options.profiles);
  Fit fit = fit_models(models);
  const HeldOut error = held_out(models, machine);
  fit.held_out = to_json(error);
  machine.fit = fit;
  const auto document = [&] { return to_json(machine, new_document("machine", nullptr, std::nullopt)); };
  if (!options.file.empty()) write_data(as_text(document()), options.file);
  Report report;
  report.title = machine.name + ": fitted to profiles";
  report.facts = {formatted("{} model{} · {} · {} thread{}", models.size(), models.size() == 1 ? "" : "s", fit.isa,
                            fit.threads, fit.threads == 1 ? "" : "s")};
  report.parts = {{"", coefficient_table(fit)}};
  if (!error.totals.empty())
    report.parts.push_back(
        {error.by_model ? "Each model predicted from the others" : "Each fifth of the layers predicted from the others",
         held_out_table(error)});
  report.notes.push_back("- ns = a·MACs + b·bytes + c a layer, least squares of relative errors, nothing negative.");
  const std::vector<PeakRate>& peaks = machine.clusters.front().peaks;
  if (std::none_of(peaks.begin(), peaks.end(), [&](const PeakRate& peak) { return peak.isa == fit.isa; }))
    report.notes.push_back(formatted(
        "- The profiles ran on {}, of which {} has no peak: were they taken on that machine?", fit.isa, machine.name));
  if (error.totals.empty())
    report.notes.push_back("- Held-out error: n/a, one layer alone leaves none to predict.");
  else
    report.notes.push_back(formatted(
        "- Held-out error: {:.1f} % of a layer's time (median), {:.1f} % of a total (mean); of the machine file as it "
        "was {:.1f} % and {:.1f} %.",
        100 * error.layer_error, 100 * error.total_error, 100 * error.uncorrected_layer_error,
        100 * error.uncorrected_total_error));
  report.notes.push_back(options.file.empty() ? "- No machine file was written (--output FILE)."
                                              : "- Machine file: " + options.file + ".");
  OutputOptions output = options.output;
  output.file.clear();
  write_report(report, document, output);
  return 0;
}

}  // namespace

void add_fit(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("fit", "Correct a machine file from profiles taken on that machine");
  command->add_option("MACHINE", options->machine, "machine file, or a name that comes with the program")
      ->required()
      ->type_name("");
  command->add_option("PROFILE", options->profiles, "documents of tally profile --format json")
      ->required()
      ->type_name("");
  add_output_options(*command, options->output);
  command->remove_option(command->get_option("--output"));
  command->add_option("-o,--output", options->file, "write the corrected machine file to FILE")->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  tally profile lenet5.onnx --seed 1 --format json --output lenet5.json\n"
      "  tally fit raspberry-pi-4 lenet5.json resnet18.json -o my-pi.json\n"
      "  tally estimate mobilenet.onnx --machine my-pi.json");
  command->callback([options, &action] { action = [options] { return fit_command(*options); }; });
}

}  // namespace tally::tools
