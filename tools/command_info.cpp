#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "tally/build_info.h"
#include "tally/engine/isa_choice.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/cpu.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/topology.h"
#include "tools/commands.h"
#include "tools/document.h"
#include "tools/machine.h"
#include "tools/numbers.h"
#include "tools/options.h"
#include "tools/report.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

struct Options {
  LoadingOptions loading;
  OutputOptions output;
  bool selftest = false;
};

/// What the known FMA loop of one instruction set did.
struct PeakTest {
  Isa isa = Isa::scalar;
  int64_t lanes = 0, expected = 0;  ///< FMA lanes reported, and those that rounds × chains × lanes make
  double gmacs_per_s = 0;
  bool passed() const { return lanes == expected; }
};

constexpr int64_t kPeakRounds = 2'000'000;

PeakTest test_peak(Isa isa) {
  const KernelTable& table = kernel_table(isa, false);
  PeakTest test{isa, 0, kPeakRounds * kPeakChains * table.geometry.lanes, 0};
  table.fma_peak(kPeakRounds / 10);  // wakes wide units
  for (int repeat = 0; repeat < 5; ++repeat) {
    const int64_t before = ticks();
    test.lanes = table.fma_peak(kPeakRounds);
    const double ns = static_cast<double>(ticks() - before) / ticks_per_ns();
    if (ns > 0) test.gmacs_per_s = std::max(test.gmacs_per_s, static_cast<double>(test.lanes) / ns);
  }
  return test;
}

/// Of one instruction set where one is asked for, else of all usable ones.
std::vector<PeakTest> test_peaks(const std::optional<Isa>& asked) {
  ticks_per_ns();  // measured at its first call
  std::vector<PeakTest> tests;
  for (const Isa isa : built_isas())
    if (asked ? isa == *asked : usable(isa)) tests.push_back(test_peak(isa));
  return tests;
}

std::string caches_text() {
  std::string text;
  for (const Cache& cache : topology().caches) {
    const char* kind = cache.kind == CacheKind::data ? "d" : cache.kind == CacheKind::instruction ? "i" : "";
    const int64_t kib = cache.bytes / 1024;
    const std::string size =
        kib >= 1024 && kib % 1024 == 0 ? fmt::format("{} MiB", kib / 1024) : fmt::format("{} KiB", kib);
    text += fmt::format("{}L{}{} {}{}", text.empty() ? "" : ", ", cache.level, kind, size,
                        cache.shared_by > 1 ? fmt::format(" (of {} CPUs)", cache.shared_by) : "");
  }
  return text.empty() ? "n/a: neither sysfs nor cpuid tells" : text + " (from " + topology().cache_source + ")";
}

Table machine_table() {
  const Topology& t = topology();
  Table table;
  table.columns = {{"what", ""}, {.key = "found", .title = "", .unit = Unit::text, .shrink_to = 40, .wraps = true}};
  const auto add = [&](const char* what, std::string found) {
    table.rows.push_back({std::string(what), std::move(found)});
  };
  add("CPU", cpu_name() + (cpu().source.empty() ? "" : " (from " + cpu().source + ")"));
  add("extensions", fmt::format("{}", fmt::join(cpu().features, " ")));
  add("cores",
      fmt::format("{} physical, {} of {} logical CPUs allowed",
                  t.physical_cores > 0 ? std::to_string(t.physical_cores) : "n/a", t.allowed_cpus, t.logical_cpus));
  add("caches", caches_text());
  add("clock", fmt::format("{}, {:.3f} ticks a ns", tick_source(), ticks_per_ns()));
  add("governor", governor().empty() ? "n/a: no cpufreq in /sys" : governor());
  add("load average", load_average() ? fmt::format("{:.2f}", *load_average()) : "n/a");
  const std::string why = counters_missing();
  add("counters", why.empty() ? "cycles can be counted by perf_event_open; not read by this version" : "n/a: " + why);
  const std::vector<std::string> energy = energy_sources();
  add("energy", energy.empty() ? "n/a: none in /sys/class/powercap or /sys/class/hwmon"
                               : fmt::format("{} (this version does not read them)", fmt::join(energy, ", ")));
  add("compiler", fmt::format("{}, {} build", build_info::kCompiler, build_info::kBuildType));
  add("flags", build_info::kFlags);
  return table;
}

Table isa_table(Isa chosen, const std::vector<PeakTest>& tests) {
  Table table;
  table.columns = {{"isa", "ISA"},
                   {"usable", "usable"},
                   {"chosen", "chosen"},
                   {"lanes", "fp32 lanes", Unit::count},
                   {"fma", "FMA"},
                   {.key = "selftest", .title = "selftest", .unit = Unit::text, .only_csv = tests.empty()},
                   {.key = "gmacs_per_s", .title = "GMAC/s", .unit = Unit::rate, .only_csv = tests.empty()}};
  for (const Isa isa : built_isas()) {
    const bool can = usable(isa);
    const Geometry geometry = can ? kernel_table(isa, false).geometry : Geometry{};
    const auto test = std::find_if(tests.begin(), tests.end(), [&](const PeakTest& t) { return t.isa == isa; });
    table.rows.push_back({std::string(name_of(isa)), std::string(can ? "yes" : "no"),
                          std::string(isa == chosen ? "yes" : ""), can ? Cell(int64_t{geometry.lanes}) : Cell(),
                          can ? Cell(std::string(geometry.has_fma ? "yes" : "no")) : Cell(),
                          test == tests.end() ? Cell() : Cell(std::string(test->passed() ? "passed" : "FAILED")),
                          test == tests.end() ? Cell() : Cell(test->gmacs_per_s)});
  }
  return table;
}

Report info_report(Isa chosen, const std::vector<PeakTest>& tests) {
  Report report;
  report.title = fmt::format("tally {} on {}", build_info::kVersion, cpu_name());
  report.parts = {{"", machine_table()}, {"Instruction sets of this build", isa_table(chosen, tests)}};
  if (!tests.empty())
    report.notes = {fmt::format(
        "Selftest: independent multiply-accumulates in registers, their lanes checked against rounds × {} chains × "
        "lanes, the best of 5 rates on one core. Hardware counters took no part: {}.",
        kPeakChains, cycles_missing())};
  return report;
}

ordered_json info_document(Isa chosen, const std::vector<PeakTest>& tests) {
  ordered_json document = new_document("info", nullptr, std::nullopt);
  document["machine"]["chosen_isa"] = name_of(chosen);
  document["machine"]["features"] = cpu().features;
  document["machine"]["ticks_per_ns"] = ticks_per_ns();
  const std::string why = counters_missing();
  document["counters"] = {{"usable", why.empty()}, {"reason", why.empty() ? ordered_json() : ordered_json(why)}};
  document["energy_sources"] = energy_sources();
  if (tests.empty()) return document;
  ordered_json list = ordered_json::array();
  for (const PeakTest& test : tests)
    list.push_back({{"isa", name_of(test.isa)},
                    {"passed", test.passed()},
                    {"lanes", test.lanes},
                    {"lanes_expected", test.expected},
                    {"gmacs_per_s", test.gmacs_per_s}});
  document["selftest"] = std::move(list);
  return document;
}

int info_command(const Options& options) {
  const LoadOptions load = options.loading.parsed();
  const Isa chosen = choose_isa(load.isa);
  const std::vector<PeakTest> tests = options.selftest ? test_peaks(load.isa) : std::vector<PeakTest>{};
  write_report(
      info_report(chosen, tests), [&] { return info_document(chosen, tests); }, options.output);
  return std::all_of(tests.begin(), tests.end(), [](const PeakTest& t) { return t.passed(); }) ? 0 : 1;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "This machine: CPU, instruction sets, cores, caches, counters");
  command->add_flag("--selftest", options->selftest, "run a known multiply-accumulate loop on each instruction set");
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Examples:\n"
      "  tally info\n"
      "  tally info --selftest\n"
      "  tally info --selftest --isa avx2\n"
      "  tally info --format json");
  command->callback([options, &action] { action = [options] { return info_command(*options); }; });
}

}  // namespace tally::tools
