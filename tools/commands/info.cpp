#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/build_info.h"
#include "tally/engine/isa_choice.h"
#include "tally/platforms/affinity.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/core_clock.h"
#include "tally/platforms/cpu.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/topology.h"
#include "tools/commands/commands.h"
#include "tools/input/options.h"
#include "tools/machine/machine_state.h"
#include "tools/measure/counter_selftest.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"
#include "tools/output/report.h"

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
        kib >= 1024 && kib % 1024 == 0 ? formatted("{} MiB", kib / 1024) : formatted("{} KiB", kib);
    text += formatted("{}L{}{} {}{}", text.empty() ? "" : ", ", cache.level, kind, size,
                      cache.shared_by > 1 ? formatted(" (of {} CPUs)", cache.shared_by) : "");
  }
  return text.empty() ? "n/a: neither sysfs nor cpuid tells" : text + " (from " + topology().cache_source + ")";
}

Table machine_table(const MachineState& state) {
  const Topology& t = topology();
  Table table;
  table.columns = {{"what", ""}, {.key = "found", .title = "", .unit = Unit::text, .shrink_to = 40, .wraps = true}};
  const auto add = [&](const char* what, std::string found) {
    table.rows.push_back({std::string(what), std::move(found)});
  };
  add("CPU", cpu_name() + (cpu().source.empty() ? "" : " (from " + cpu().source + ")"));
  add("extensions", joined(cpu().features, " "));
  add("cores",
      formatted("{} physical, {} of {} logical CPUs allowed",
                t.physical_cores > 0 ? std::to_string(t.physical_cores) : "n/a", t.allowed_cpus, t.logical_cpus));
  add("caches", caches_text());
  for (const auto& [what, found] : state_lines(state)) add(what.c_str(), found);
  add("compiler", formatted("{}, {} build", build_info::kCompiler, build_info::kBuildType));
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

std::string outcome_text(CounterTest::Outcome outcome) {
  switch (outcome) {
    case CounterTest::Outcome::passed:
      return "passed";
    case CounterTest::Outcome::failed:
      return "FAILED";
    case CounterTest::Outcome::missing:
      break;
  }
  return "n/a";
}

Table counter_table(const std::vector<CounterTest>& tests) {
  Table table;
  table.columns = {{"counter", "counter"},
                   {"outcome", "selftest"},
                   {.key = "found", .title = "found", .unit = Unit::figure},
                   {"expected", "expected"},
                   {.key = "work", .title = "work", .unit = Unit::text, .shrink_to = 20, .wraps = true},
                   csv_column("reason")};
  for (const CounterTest& test : tests) {
    const bool missing = test.outcome == CounterTest::Outcome::missing;
    table.rows.push_back({test.counter, outcome_text(test.outcome), missing ? Cell() : Cell(test.found), test.expected,
                          test.work, missing ? Cell(test.found) : Cell(std::string())});
  }
  return table;
}

/// Why counters are missing, one line a reason.
std::vector<std::string> missing_lines(const std::vector<CounterTest>& tests) {
  std::vector<std::pair<std::string, std::string>> by_reason;
  for (const CounterTest& test : tests) {
    if (test.outcome != CounterTest::Outcome::missing) continue;
    if (!by_reason.empty() && by_reason.back().second == test.found)
      by_reason.back().first += ", " + test.counter;
    else
      by_reason.emplace_back(test.counter, test.found);
  }
  std::vector<std::string> lines;
  for (const auto& [counters, reason] : by_reason) lines.push_back("- " + counters + ": n/a, " + reason + ".");
  return lines;
}

/// What `info` found and, if asked, tested.
struct Findings {
  Isa chosen;
  MachineState state;
  std::vector<PeakTest> peaks;
  std::vector<CounterTest> counters;
};

bool passed(const Findings& f) {
  return std::all_of(f.peaks.begin(), f.peaks.end(), [](const PeakTest& t) { return t.passed(); }) &&
         std::none_of(f.counters.begin(), f.counters.end(),
                      [](const CounterTest& t) { return t.outcome == CounterTest::Outcome::failed; });
}

Report info_report(const Findings& f) {
  Report report;
  report.title = formatted("tally {} on {}", build_info::kVersion, cpu_name());
  report.parts = {{"", machine_table(f.state)}, {"Instruction sets of this build", isa_table(f.chosen, f.peaks)}};
  if (f.peaks.empty()) return report;
  report.parts.push_back({"Counters and sensors", counter_table(f.counters)});
  report.notes = {formatted(
      "Selftest: independent multiply-accumulates in registers, their lanes checked against rounds × {} chains × "
      "lanes, the best of 5 rates on one core; then known work against each counter and sensor there is.",
      kPeakChains)};
  for (std::string& line : missing_lines(f.counters)) report.notes.push_back(std::move(line));
  return report;
}

ordered_json info_document(const Findings& f) {
  ordered_json document = new_document("info", nullptr, std::nullopt);
  document["machine"]["chosen_isa"] = name_of(f.chosen);
  document["machine"]["features"] = cpu().features;
  document["machine"]["ticks_per_ns"] = ticks_per_ns();
  ordered_json state = state_json(f.state);
  document["missing"].update(state["missing"]);
  state.erase("missing");
  document.update(state);
  if (f.peaks.empty()) return document;
  ordered_json list = ordered_json::array();
  for (const PeakTest& test : f.peaks)
    list.push_back({{"isa", name_of(test.isa)},
                    {"passed", test.passed()},
                    {"lanes", test.lanes},
                    {"lanes_expected", test.expected},
                    {"gmacs_per_s", test.gmacs_per_s}});
  document["selftest"] = std::move(list);
  ordered_json counters = ordered_json::array();
  for (const CounterTest& test : f.counters) {
    const bool missing = test.outcome == CounterTest::Outcome::missing;
    counters.push_back(
        {{"counter", test.counter},
         {"passed", missing ? ordered_json() : ordered_json(test.outcome == CounterTest::Outcome::passed)},
         {"found", missing ? ordered_json() : ordered_json(test.found)},
         {"expected", missing ? ordered_json() : ordered_json(test.expected)},
         {"work", missing ? ordered_json() : ordered_json(test.work)},
         {"reason", missing ? ordered_json(test.found) : ordered_json()}});
  }
  document["counter_selftest"] = std::move(counters);
  return document;
}

int info_command(const Options& options) {
  const LoadOptions load = options.loading.parsed();
  const Isa chosen = choose_isa(load.isa);
  const std::vector<int> allowed = allowed_cpus();
  const int cpu = cpu_to_measure_on(system_files(), topology(), allowed);
  const Pin pin(cpu);
  const int held = pin.holds() ? cpu : -1;
  Findings found{
      chosen, read_machine_state(system_files(), system_perf_calls(), topology(), held, settled_core_mhz()), {}, {}};
  if (options.selftest) {
    found.peaks = test_peaks(load.isa);
    found.counters = test_counters(kernel_table(chosen, false), system_files(), system_perf_calls(), held);
  }
  write_report(
      info_report(found), [&] { return info_document(found); }, options.output);
  return passed(found) ? 0 : 1;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "This machine: CPU, instruction sets, cores, caches, counters");
  command->add_flag("--selftest", options->selftest,
                    "run a known multiply-accumulate loop on each instruction set, and known work on each counter");
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
