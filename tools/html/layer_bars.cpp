#include "tools/html/layer_bars.h"

#include <algorithm>

#include "tools/html/data_table.h"
#include "tools/html/layer_style.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr size_t kMostRows = 40;

struct Part {
  const char* title;  ///< "used products"
  const char* kind;   ///< its class in the style sheet
  std::optional<double> value;
};

/// One bar of a layer: parts end to end.
struct Bar {
  const char* title;  ///< "executed"
  std::vector<Part> parts;
  double sum() const {
    double total = 0;
    for (const Part& part : parts) total += std::max(0.0, part.value.value_or(0));
    return total;
  }
};

/// Bars that share a scale.
struct Panel {
  const char* title;
  std::string (*words)(double);
  std::vector<Bar> (*bars)(const RecordedLayer&);
};

std::optional<double> real(const RecordedLayer& layer, std::string_view key) {
  const auto count = count_of(layer.counts, key);
  if (!count) return std::nullopt;
  return static_cast<double>(*count);
}

std::optional<double> less(std::optional<double> whole, std::optional<double> part) {
  if (!whole) return std::nullopt;
  return std::max(0.0, *whole - part.value_or(0));
}

std::vector<Bar> mac_bars(const RecordedLayer& l) {
  std::vector<Bar> bars{{"ideal", {{"MACs", "ideal", real(l, "macs")}}}};
  if (!l.counts.contains("lane_macs")) return bars;
  const auto used = real(l, "executed_macs"), lanes = real(l, "lane_macs");
  const auto in_lanes = lanes && used ? std::optional(std::min(*lanes, *used)) : lanes;
  bars.push_back({"executed",
                  {{"used products", "executed", in_lanes},
                   {"padding lanes", "extra", less(lanes, used)},
                   {"products on the host", "host", lanes && *lanes == 0 ? used : std::optional(0.0)}}});
  return bars;
}

std::vector<Bar> byte_bars(const RecordedLayer& l) {
  std::vector<Bar> bars{{"ideal",
                         {{"read", "ideal", real(l, "bytes_read")},
                          {"weights", "weights", real(l, "bytes_weights")},
                          {"written", "written", real(l, "bytes_written")}}}};
  if (l.counts.contains("bytes_loaded"))
    bars.push_back(
        {"executed", {{"loaded", "executed", real(l, "bytes_loaded")}, {"stored", "extra", real(l, "bytes_stored")}}});
  return bars;
}

std::vector<Bar> time_bars(const RecordedLayer& l) {
  if (!l.ns.median && l.roof_ns) return {{"predicted", {{"what its roof allows", "ideal", l.roof_ns}}}};
  if (!l.ns.median) return {};
  const auto bound = l.roof_ns ? std::optional(std::min(*l.roof_ns, *l.ns.median)) : std::nullopt;
  if (!bound) return {{"measured", {{"time", "measured", l.ns.median}}}};
  return {
      {"measured", {{"what its roof allows", "ideal", bound}, {"beyond it", "measured", less(l.ns.median, bound)}}}};
}

std::string counted(double value) { return value < 1e8 ? with_thousands(value, 0) : short_number(value); }

constexpr Panel kPanels[] = {
    {"parameters", counted,
     [](const RecordedLayer& l) {
       return std::vector<Bar>{{"stored", {{"parameters", "weights", real(l, "params")}}}};
     }},
    {"MACs", counted, mac_bars},
    {"bytes", bytes_text, byte_bars},
    {"time", duration_text, time_bars},
};

/// The longest bar of a panel; 0 where it has nothing to show.
double scale_of(const Recording& recording, const Panel& panel) {
  double most = 0;
  for (const RecordedLayer& layer : recording.layers)
    for (const Bar& bar : panel.bars(layer)) most = std::max(most, bar.sum());
  return most;
}

void write_bar(Markup& out, const std::string& layer, const Panel& panel, const Bar& bar, double scale) {
  std::vector<Piece> pieces;
  double at = 0;
  for (const Part& part : bar.parts) {
    const double value = std::max(0.0, part.value.value_or(0));
    if (value <= 0) continue;
    const std::string name =
        formatted("{}: {} {}, {} {}", layer, bar.title, panel.title, part.title, panel.words(value));
    pieces.push_back({at / scale, (at + value) / scale, name, "", part.kind});
    at += value;
  }
  out.leaf("span", bar.title, {{"class", "what"}});
  draw_bar(out, formatted("{}: {} {}", layer, bar.title, panel.title), pieces);
  out.leaf("span", panel.words(bar.sum()), {{"class", "figure"}});
}

void write_row(Markup& out, const Recording& recording, size_t i,
               const std::vector<std::pair<const Panel*, double>>& panels) {
  const RecordedLayer& layer = recording.layers[i];
  const std::string name = layer_name(recording, i);
  out.open("div", {{"class", "layer"}});
  out.open("h4").leaf("b", LayerStyle::number(i)).text(" ").leaf("bdi", layer.name);
  out.leaf("span", " " + (layer.kernel.empty() ? layer.op : layer.op + " · " + layer.kernel), {{"class", "aside"}})
      .close();
  out.open("div", {{"class", "panels"}});
  for (const auto& [panel, scale] : panels) {
    out.open("div", {{"class", "panel"}}).leaf("span", panel->title, {{"class", "head"}});
    for (const Bar& bar : panel->bars(layer)) write_bar(out, name, *panel, bar, scale);
    out.close();
  }
  out.close();
  out.close();
}

void write_legend(Markup& out, const Recording& recording) {
  const bool executed = recording.kind == RecordingKind::profile;
  std::vector<std::pair<std::string, std::string>> entries = {
      {"ideal", executed ? "ideal MACs, bytes read; time its roof allows" : "MACs, bytes read"},
      {"weights", executed ? "weights read" : "parameters, weights read"},
      {"written", "bytes written"}};
  if (executed) {
    entries.emplace_back("executed", "used products, bytes loaded");
    entries.emplace_back("extra", "padding lanes, bytes stored");
    entries.emplace_back("measured", "time measured");
  }
  out.open("ul", {{"class", "legend"}, {"aria-label", "Colours"}});
  for (const auto& [kind, words] : entries)
    out.open("li")
        .open("svg", {{"class", "swatch"}, {"aria-hidden", "true"}})
        .open("g", {{"class", kind}})
        .single("rect", {{"width", "100%"}, {"height", "100%"}})
        .close()
        .close()
        .text(words)
        .close();
  out.close();
}

}  // namespace

void write_layer_bars(Markup& out, const Recording& recording) {
  if (recording.layers.empty()) return;
  std::vector<std::pair<const Panel*, double>> panels;
  for (const Panel& panel : kPanels)
    if (const double scale = scale_of(recording, panel); scale > 0) panels.emplace_back(&panel, scale);
  std::vector<std::optional<double>> weight;
  for (const RecordedLayer& layer : recording.layers) {
    const auto macs = real(layer, "macs");
    weight.push_back(layer.ns.median ? layer.ns.median : macs);
  }
  const std::vector<size_t> chosen = heaviest(weight, kMostRows);
  out.open("figure").leaf("h3", "Layer by layer");
  std::string caption = "Bars of one quantity share one scale over all layers.";
  if (chosen.size() < recording.layers.size())
    caption +=
        formatted(" The {} heaviest of {} layers; all are in the table.", chosen.size(), recording.layers.size());
  out.leaf("figcaption", caption);
  write_legend(out, recording);
  out.open("div", {{"class", "layers"}});
  for (const size_t i : chosen) write_row(out, recording, i, panels);
  out.close();
  write_layer_table(out, recording);
  out.close();
}

}  // namespace tally::tools
