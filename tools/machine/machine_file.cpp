#include "tools/machine/machine_file.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tally/platforms/topology.h"
#include "tools/machine/shipped_machines.h"

namespace tally::tools {

namespace {

constexpr size_t kMostBytes = size_t{16} << 20;  // of a machine file

CacheShape shape_of(int64_t bytes, int line_bytes, int ways) {
  CacheShape shape;
  shape.bytes = bytes;
  shape.line_bytes = line_bytes > 0 ? line_bytes : 64;
  shape.ways = ways > 0 ? ways : 8;
  return shape;
}

std::optional<Bound> bound_of(const std::string& level) {
  for (const Bound bound : {Bound::L1, Bound::L2, Bound::L3, Bound::dram})
    if (level == name_of(bound)) return bound;
  return std::nullopt;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in && text.empty()) fail("machine file '" + path + "'", "cannot be read", "must be a file", ErrorCode::model);
  if (text.size() > kMostBytes)
    fail("machine file '" + path + "'", tally::text(text.size(), " bytes"), tally::text("must be at most ", kMostBytes),
         ErrorCode::limit);
  return text;
}

}  // namespace

double Rate::at(int threads) const {
  const double one = one_core.value, all = all_cores.value;
  if (one <= 0) return threads > 1 ? all : 0;
  return threads > 1 && all > 0 ? std::min(one * threads, std::max(all, one)) : one * std::max(threads, 1);
}

std::string MachineFile::source() const {
  for (const PeakRate& peak : clusters.front().peaks)
    if (peak.macs_per_s.one_core.source == "measured") return "measured";
  return "model";
}

std::string format_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
    case DType::bf16:
      return "fp16";
    case DType::i8:
    case DType::u8:
    case DType::i32:
      return "int8";
    default:
      return "fp32";
  }
}

Peaks peaks_of(const MachineCluster& cluster, DType dtype, const std::string& isa, int threads) {
  Peaks peaks;
  const std::string format = format_of(dtype);
  for (const PeakRate& peak : cluster.peaks)
    if (peak.dtype == format && (isa.empty() || peak.isa == isa))
      peaks.macs_per_ns = std::max(peaks.macs_per_ns, peak.macs_per_s.at(threads) * 1e-9);
  for (const MemoryLevel& level : cluster.levels)
    if (const auto bound = bound_of(level.name))
      peaks.levels.push_back({*bound, level.read.at(threads) * 1e-9, level.write.at(threads) * 1e-9});
  return peaks;
}

std::vector<CacheShape> cache_shapes(const MachineCluster& cluster) {
  std::vector<CacheShape> shapes;
  for (const MemoryLevel& level : cluster.levels) {
    if (level.bytes <= 0) break;
    shapes.push_back(shape_of(level.bytes, level.line_bytes, level.ways));
  }
  return shapes;
}

std::vector<CacheShape> cache_shapes_here() {
  std::vector<CacheShape> shapes;
  for (const Cache& cache : topology().caches)
    if (cache.kind != CacheKind::instruction) shapes.push_back(shape_of(cache.bytes, cache.line_bytes, cache.ways));
  return shapes;
}

std::filesystem::path default_machine_path() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return std::filesystem::path(config) / "tally" / "machine.json";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return std::filesystem::path(home) / ".config" / "tally" / "machine.json";
  return {};
}

std::vector<std::string> shipped_machines() {
  std::vector<std::string> names;
  for (const ShippedMachine& machine : shipped_machine_list()) names.emplace_back(machine.name);
  return names;
}

MachineFile read_machine_file(const std::string& argument) {
  std::error_code ignored;
  std::string text;
  if (!std::filesystem::exists(argument, ignored))
    for (const ShippedMachine& machine : shipped_machine_list())
      if (machine.name == argument) text = machine.json;
  if (text.empty()) {
    if (!std::filesystem::is_regular_file(argument, ignored)) {
      std::string names;
      for (const std::string& name : shipped_machines()) names += (names.empty() ? "" : ", ") + name;
      fail("--machine", "'" + argument + "'", "must be a machine file or one of " + names, ErrorCode::model);
    }
    text = read_text(argument);
  }
  const auto document = nlohmann::ordered_json::parse(text, nullptr, false);
  if (document.is_discarded())
    fail("machine file '" + argument + "'", "no JSON", "must be a document tally.machine/1", ErrorCode::model);
  return machine_from_json(document, "machine file '" + argument + "'");
}

}  // namespace tally::tools
