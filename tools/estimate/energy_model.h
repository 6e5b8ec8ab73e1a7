#pragma once
// --energy: joules of an inference from a table of picojoules an operation and a byte, and grams of CO₂ from the
// grid's. A model, never a measurement.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

struct EnergyOptions {
  bool asked = false;
  std::optional<double> pj_per_mac, pj_per_byte;  ///< the caller's own table instead
  double grid_g_per_kwh = 480;
};

/// One number format's bill.
struct EnergyRow {
  std::string format;
  int64_t bytes = 0;  ///< compulsory, at this format
  double pj_per_mac = 0;
  double macs_pj = 0, other_pj = 0;  ///< multiply-accumulates; elementwise operations and comparisons as additions
  double bytes_low_pj = 0, bytes_high_pj = 0;  ///< all bytes from a 1 MB cache; all from DRAM
  double low_pj() const { return macs_pj + other_pj + bytes_low_pj; }
  double high_pj() const { return macs_pj + other_pj + bytes_high_pj; }
};

/// fp32, fp16 and int8 after Horowitz, or one row after the caller's table.
std::vector<EnergyRow> energy_rows(const Estimate& estimate, const EnergyOptions& options);

/// Compulsory bytes with all floating-point tensors at `width` bytes an element.
int64_t bytes_at_width(const Estimate& estimate, int64_t width);

ReportPart energy_part(const std::vector<EnergyRow>& rows, const EnergyOptions& options);
std::vector<std::string> energy_notes(const EnergyOptions& options);
nlohmann::ordered_json energy_json(const std::vector<EnergyRow>& rows, const EnergyOptions& options);

}  // namespace tally::tools
