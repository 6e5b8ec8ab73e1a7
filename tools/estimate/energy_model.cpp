#include "tools/estimate/energy_model.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tools/estimate/counted_node.h"
#include "tools/estimate/storage.h"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

// M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V.
// Multiply and add: fp32 3.7 + 0.9 pJ, fp16 1.1 + 0.4 pJ, int8 0.2 pJ with a 32-bit integer add of 0.1 pJ. A 64-bit
// access: 1 MB cache 100 pJ, DRAM 1.3 to 2.6 nJ, of which the lower end is taken.
struct FormatEnergy {
  const char* name;
  double mac_pj, add_pj;
};
constexpr FormatEnergy kFormats[] = {{"fp32", 3.7 + 0.9, 0.9}, {"fp16", 1.1 + 0.4, 0.4}, {"int8", 0.2 + 0.1, 0.1}};
constexpr double kCachePjPerByte = 100.0 / 8, kDramPjPerByte = 1300.0 / 8;
constexpr const char* kSource = "M. Horowitz, ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V)";
// Ember, Global Electricity Review 2024: 480 g CO₂ a kWh, the world's mean in 2023.
constexpr const char* kGridSource = "Ember, Global Electricity Review 2024: the world's mean of 2023";
constexpr double kPjPerKwh = 3.6e18;

double grams(double pj, const EnergyOptions& options) { return pj / kPjPerKwh * options.grid_g_per_kwh; }

/// A unit that keeps the largest of several values short.
struct Scale {
  double size;
  const char* unit;
};

Scale scale_of(double most, std::initializer_list<Scale> scales) {
  Scale scale = *scales.begin();
  for (const Scale& larger : scales)
    if (most >= 10 * larger.size) scale = larger;
  return scale;
}

EnergyRow priced(const Estimate& estimate, const std::string& format, int64_t bytes, double mac_pj, double add_pj,
                 double low, double high) {
  const EstimateTotals& t = estimate.totals;
  EnergyRow row{format, bytes, mac_pj, 0, 0, 0, 0};
  row.macs_pj = mac_pj * static_cast<double>(t.macs);
  row.other_pj = add_pj * (static_cast<double>(t.elementwise) + static_cast<double>(t.comparisons));
  row.bytes_low_pj = low * static_cast<double>(bytes);
  row.bytes_high_pj = high * static_cast<double>(bytes);
  return row;
}

}  // namespace

int64_t bytes_at_width(const Estimate& estimate, int64_t width) {
  int64_t sum = estimate.totals.bytes_compulsory;
  for (const NodeEstimate& row : estimate.layers)
    for (const auto* tensors : {&row.operands, &row.outputs})
      for (const EstimatedOperand& tensor : *tensors) {
        const int bits = bits_of(tensor.dtype);
        const bool floating = tensor.dtype == DType::f32 || tensor.dtype == DType::f64 || tensor.dtype == DType::f16 ||
                              tensor.dtype == DType::bf16;
        if (floating) sum += tensor.bytes / (bits / 8) * width - tensor.bytes;
      }
  return sum;
}

std::vector<EnergyRow> energy_rows(const Estimate& estimate, const EnergyOptions& options) {
  if (options.pj_per_mac || options.pj_per_byte) {
    const double byte = options.pj_per_byte.value_or(0);
    return {priced(estimate, "given", estimate.totals.bytes_compulsory, options.pj_per_mac.value_or(0), 0, byte, byte)};
  }
  std::vector<EnergyRow> rows;
  for (size_t i = 0; i < std::size(kFormats); ++i)
    rows.push_back(priced(estimate, kFormats[i].name, bytes_at_width(estimate, kStorageFormats[i].bytes),
                          kFormats[i].mac_pj, kFormats[i].add_pj, kCachePjPerByte, kDramPjPerByte));
  return rows;
}

ReportPart energy_part(const std::vector<EnergyRow>& rows, const EnergyOptions& options) {
  double most_pj = 0;
  for (const EnergyRow& row : rows) most_pj = std::max(most_pj, row.high_pj());
  const Scale energy = scale_of(most_pj, {{1e3, "nJ"}, {1e6, "µJ"}, {1e9, "mJ"}, {1e12, "J"}});
  constexpr double kMillion = 1e6;
  const Scale co2 =
      scale_of(grams(most_pj, options) * kMillion, {{1e-6, "µg"}, {1e-3, "mg"}, {1, "g"}, {1e3, "kg"}, {1e6, "t"}});
  Table table;
  table.columns = {{"format", "format"}, {"pj_per_mac", "pJ/MAC", Unit::number}, {"bytes", "compulsory", Unit::bytes}};
  const auto add = [&](const char* key, const char* title, const char* group) {
    table.columns.push_back({.key = key, .title = title, .unit = Unit::number, .group = group, .never_csv = true});
    table.columns.push_back(csv_column(key));
  };
  add("macs_pj", "MACs", "");
  add("other_pj", "others", "");
  add("bytes_cache_pj", "cache", "bytes from");
  add("bytes_dram_pj", "DRAM", "bytes from");
  add("least_pj", "least", "together");
  add("most_pj", "most", "together");
  add("co2_g_least", "least", "CO₂");
  add("co2_g_most", "most", "CO₂");
  for (const EnergyRow& row : rows) {
    std::vector<Cell> cells{row.format, row.pj_per_mac, row.bytes};
    for (const double pj :
         {row.macs_pj, row.other_pj, row.bytes_low_pj, row.bytes_high_pj, row.low_pj(), row.high_pj()}) {
      cells.emplace_back(pj / energy.size);
      cells.emplace_back(pj);
    }
    for (const double pj : {row.low_pj(), row.high_pj()}) {
      cells.emplace_back(grams(pj, options) * kMillion / co2.size);
      cells.emplace_back(grams(pj, options));
    }
    table.rows.push_back(std::move(cells));
  }
  return {formatted("Energy of an inference in {}, CO₂ of a million in {}, modelled", energy.unit, co2.unit),
          std::move(table)};
}

std::vector<std::string> energy_notes(const EnergyOptions& options) {
  std::vector<std::string> notes;
  if (options.pj_per_mac || options.pj_per_byte)
    notes.push_back(formatted("Energy: {} pJ a MAC and {} pJ a compulsory byte, as given; other operations at 0.",
                              options.pj_per_mac.value_or(0), options.pj_per_byte.value_or(0)));
  else
    notes.push_back(
        formatted("Energy: {}: a 1 MB cache {} pJ a byte, DRAM {} pJ a byte; elementwise operations and comparisons "
                  "as additions; special functions, control and leakage have no price there and are left out.",
                  kSource, kCachePjPerByte, kDramPjPerByte));
  notes.push_back(formatted("CO₂: {} g a kWh{}.", options.grid_g_per_kwh,
                            options.grid_g_per_kwh == EnergyOptions().grid_g_per_kwh
                                ? formatted(" ({}); --grid sets another", kGridSource)
                                : ", as given"));
  return notes;
}

nlohmann::ordered_json energy_json(const std::vector<EnergyRow>& rows, const EnergyOptions& options) {
  const bool given = options.pj_per_mac || options.pj_per_byte;
  nlohmann::ordered_json json{{"source", given ? "given" : "model"}};
  json["table"] = given ? "given" : kSource;
  json["grid_g_per_kwh"] = options.grid_g_per_kwh;
  json["formats"] = nlohmann::ordered_json::array();
  for (const EnergyRow& row : rows)
    json["formats"].push_back({{"format", row.format},
                               {"pj_per_mac", row.pj_per_mac},
                               {"bytes", row.bytes},
                               {"macs_pj", row.macs_pj},
                               {"other_pj", row.other_pj},
                               {"bytes_cache_pj", row.bytes_low_pj},
                               {"bytes_dram_pj", row.bytes_high_pj},
                               {"least_pj", row.low_pj()},
                               {"most_pj", row.high_pj()},
                               {"co2_g_least", grams(row.low_pj(), options)},
                               {"co2_g_most", grams(row.high_pj(), options)}});
  return json;
}

}  // namespace tally::tools
