#include "tools/html/page.h"

#include "tally/build_info.h"
#include "tools/compare/recorded_limits.h"
#include "tools/html/comparison_chart.h"
#include "tools/html/data_table.h"
#include "tools/html/gap_chart.h"
#include "tools/html/histogram.h"
#include "tools/html/layer_bars.h"
#include "tools/html/ledger_chart.h"
#include "tools/html/roofline.h"
#include "tools/input/sha256.h"
#include "tools/output/formatted.h"
#include "tools/output/markup.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

/// The hash of the script as a Content-Security-Policy names it.
std::string script_hash() {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Sha256 sha;
  sha.add(std::as_bytes(std::span(page_script())));
  const std::string hex = sha.hex();
  std::string base64;
  uint32_t bits = 0;
  int held = 0;
  for (const char digit : hex) {
    bits = bits << 4 | static_cast<uint32_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    held += 4;
    if (held < 6) continue;
    held -= 6;
    base64 += kDigits[bits >> held & 63];
  }
  base64 += kDigits[bits << (6 - held) & 63];  // 256 bits: 42 digits of 6 and 4 bits over, then one "="
  return "sha256-" + base64 + "=";
}

std::string title_of(const Recording& r) {
  const std::string& subject = r.kind == RecordingKind::machine ? r.cpu : r.model;
  return subject.empty() ? std::string(name_of(r.kind)) : subject + ": " + std::string(name_of(r.kind));
}

void write_fact(Markup& out, const std::string& what, const std::string& figure) {
  if (figure.empty()) return;
  out.open("div").leaf("dt", what).open("dd").leaf("bdi", figure).close().close();
}

std::string counted(std::optional<int64_t> count) { return count ? with_thousands(*count) : ""; }
std::string bytes_of(std::optional<int64_t> bytes) { return bytes ? bytes_text(static_cast<double>(*bytes)) : ""; }
std::string time_of(std::optional<double> ns) { return ns ? duration_text(*ns) : ""; }

void write_facts(Markup& out, const Recording& r) {
  const Counts& totals = r.totals.counts;
  out.open("dl", {{"class", "facts"}});
  write_fact(out, r.kind == RecordingKind::bench ? "median latency" : "time", time_of(r.totals.ns.median));
  if (!r.totals.ns.median) write_fact(out, "time, predicted", time_of(r.totals.roof_ns));
  if (r.throughput_per_s) write_fact(out, "throughput", with_thousands(*r.throughput_per_s, 1) + " /s");
  write_fact(out, "parameters", counted(count_of(totals, "params")));
  write_fact(out, "MACs, ideal", counted(count_of(totals, r.kind == RecordingKind::ledger ? "" : "macs")));
  write_fact(out, "lanes, executed", counted(count_of(totals, "lane_macs")));
  write_fact(out, "bytes, ideal", bytes_of(sum_of(totals, {"bytes_read", "bytes_weights", "bytes_written"})));
  write_fact(out, "bytes, executed", bytes_of(sum_of(totals, {"bytes_loaded", "bytes_stored"})));
  if (const auto macs = count_of(totals, "macs"); macs && r.totals.ns.median.value_or(0) > 0)
    write_fact(out, "speed", formatted("{:.1f} GMAC/s", static_cast<double>(*macs) / *r.totals.ns.median));
  for (const auto& [key, words] : {std::pair{"peak_activation_bytes", "peak of activations"},
                                   {"peak_rss_bytes", "peak memory"},
                                   {"weights_bytes", "weights, packed"},
                                   {"arena_bytes", "arena"},
                                   {"state_bytes", "state"}})
    write_fact(out, words, bytes_of(count_of(r.figures, key)));
  if (const auto load = count_of(r.figures, "load_ns"))
    write_fact(out, "load", duration_text(static_cast<double>(*load)));
  if (r.tally_overhead) write_fact(out, "cost of counting", formatted("{:+.2f} %", *r.tally_overhead * 100));
  if (r.spread) write_fact(out, "spread (p90 − p10) ÷ median", formatted("{:.1f} %", *r.spread * 100));
  out.close();
}

void write_head(Markup& out, const Recording& r, size_t index) {
  out.open("section", {{"id", formatted("document-{}", index + 1)}}).leaf("h2", title_of(r));
  std::string where = r.file;
  for (const std::string& part : {r.model_path, r.device, r.cpu, r.system, r.isa})
    if (!part.empty()) where += " · " + part;
  if (r.threads) where += formatted(" · {} thread{}", *r.threads, *r.threads == 1 ? "" : "s");
  out.leaf("p", where, {{"class", "where"}});
  for (const std::string& warning : r.warnings) out.leaf("p", "Not fit to measure: " + warning, {{"class", "warning"}});
  write_facts(out, r);
}

void write_missing(Markup& out, const Recording& r) {
  if (r.missing.empty()) return;
  out.open("figure").leaf("h3", "What could not be had");
  DataTable table;
  table.caption = "Figures that are n/a, and why";
  table.columns = {{"figure", false}, {"why", false}};
  for (const auto& [key, reason] : r.missing) table.rows.push_back({words_cell(key), words_cell(reason)});
  write_table(out, table);
  out.close();
}

/// All totals of an estimate, by key.
void write_totals(Markup& out, const Recording& r) {
  DataTable table;
  table.caption = "Totals";
  table.columns = {{"quantity", false}, {"value"}};
  for (const auto& [key, value] : r.totals.counts) table.rows.push_back({words_cell(key), count_cell(value)});
  out.open("figure").leaf("h3", "Totals");
  write_table(out, table);
  out.close();
}

void write_limits(Markup& out, const Recording& machine) {
  DataTable table;
  table.caption = "What this machine can do, a second";
  table.columns = {{"limit", false}, {"one core"}, {"all cores"}, {"unit", false}, {"source", false}};
  const auto cell = [](double per_s) { return per_s > 0 ? number_cell(per_s * 1e-9, 2) : DataCell{}; };
  for (const RecordedLimit& limit : machine.limits)
    table.rows.push_back({words_cell(limit.level.empty() ? limit.dtype + " " + limit.isa : limit.level + ", reading"),
                          cell(limit.one_core_per_s), cell(limit.all_cores_per_s),
                          words_cell(limit.level.empty() ? "GMAC" : "GB"), words_cell(limit.source)});
  out.open("figure").leaf("h3", "Limits");
  write_table(out, table);
  out.close();
}

struct LentRoofs {
  std::vector<RecordedRoof> roofs;
  std::string source;  ///< whose they are, or why there are none
};

/// The roofs over a recording: by its own document, else by a machine file of the same CPU, or for an estimate, which
/// is of no CPU, the first one.
LentRoofs roofs_for(const Recording& r, const std::vector<Recording>& all) {
  LentRoofs lent{roofs_over(r, r.limits), r.limits_source};
  if (!lent.roofs.empty()) return lent;
  for (const Recording& other : all) {
    if (other.kind != RecordingKind::machine) continue;
    if (other.cpu != r.cpu && r.kind != RecordingKind::estimate) {
      lent.source = "'" + other.file + "' is of another machine (" + other.cpu + ")";
      continue;
    }
    lent = {roofs_over(r, other.limits), other.limits_source.empty() ? other.cpu : other.limits_source};
    if (!lent.roofs.empty()) return lent;
  }
  if (!lent.source.empty()) return lent;
  const auto reason = r.missing.find("roof");
  lent.source = reason != r.missing.end() ? reason->second
                                          : "no document tells this machine's peaks (tally calibrate measures them)";
  return lent;
}

void write_roofline(Markup& out, const std::vector<Recording>& all, const Recording& r) {
  const LentRoofs lent = roofs_for(r, all);
  write_roofline(out, r, lent.roofs, lent.source);
}

void write_recording(Markup& out, const std::vector<Recording>& all, size_t index) {
  const Recording& r = all[index];
  write_head(out, r, index);
  switch (r.kind) {
    case RecordingKind::profile:
      write_share_bars(out, r);
      write_roofline(out, all, r);
      write_layer_bars(out, r);
      write_gap_chart(out, r);
      break;
    case RecordingKind::estimate:
      write_share_bars(out, r);
      write_roofline(out, all, r);
      write_layer_bars(out, r);
      write_totals(out, r);
      break;
    case RecordingKind::bench:
      write_histogram(out, r);
      break;
    case RecordingKind::ledger:
      write_ledger(out, r);
      break;
    case RecordingKind::machine:
      write_limits(out, r);
      break;
  }
  write_missing(out, r);
  out.close();
}

void write_navigation(Markup& out, const std::vector<Recording>& all) {
  if (all.size() < 2) return;
  out.open("nav", {{"aria-label", "Documents"}}).open("ul");
  if (comparable(all)) out.open("li").leaf("a", "Comparison", {{"href", "#comparison"}}).close();
  for (size_t i = 0; i < all.size(); ++i)
    out.open("li").leaf("a", title_of(all[i]), {{"href", formatted("#document-{}", i + 1)}}).close();
  out.close().close();
}

void write_document_head(Markup& out, const std::string& title) {
  const std::string policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '" +
                             script_hash() + "'; base-uri 'none'; form-action 'none'";
  out.open("head").single("meta", {{"charset", "utf-8"}});
  out.single("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", policy}});
  out.single("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  out.single("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  out.single("meta", {{"name", "generator"}, {"content", std::string("tally ") + build_info::kVersion}});
  out.single("link", {{"rel", "icon"}, {"href", "data:,"}});  // else a browser asks the server for one
  out.leaf("title", title);
  out.open("style").verbatim(page_style()).close().close();
}

}  // namespace

std::string page_of(const std::vector<Recording>& recordings) {
  const std::string title =
      recordings.size() == 1 ? title_of(recordings[0]) : formatted("Tally: {} documents", recordings.size());
  Markup out;
  out.verbatim("<!DOCTYPE html>\n");
  out.open("html", {{"xmlns", "http://www.w3.org/1999/xhtml"}, {"lang", "en"}});
  write_document_head(out, title);
  out.open("body").leaf("a", "Skip to the content", {{"class", "skip"}, {"href", "#content"}});
  out.open("header").leaf("h1", title).close();
  write_navigation(out, recordings);
  out.open("main", {{"id", "content"}});
  write_comparisons(out, recordings);
  for (size_t i = 0; i < recordings.size(); ++i) write_recording(out, recordings, i);
  out.close();
  out.open("footer")
      .leaf("p", std::string("Written by tally ") + build_info::kVersion +
                     ". Ideal: from the operators' definitions. Executed: counted in the kernels. Measured: of kernels "
                     "without counters.")
      .close();
  out.open("div", {{"id", "tip"}, {"aria-hidden", "true"}}).close();
  out.open("script").verbatim(page_script()).close();
  out.close().close();
  return out.done();
}

}  // namespace tally::tools
