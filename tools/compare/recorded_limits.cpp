#include "tools/compare/recorded_limits.h"

#include <algorithm>
#include <set>

namespace tally::tools {

namespace {

double positive(const DocumentValue& value) {
  const double number = value.number().value_or(0);
  if (number < 0) value.refuse("must be >= 0");
  return number;
}

/// Reads one rate: {"one_core": {"value", "source", …}, "all_cores": {…}}.
void read_rate(RecordedLimit& limit, const DocumentValue& rate) {
  limit.one_core_per_s = positive(rate["one_core"]["value"]);
  limit.all_cores_per_s = positive(rate["all_cores"]["value"]);
  limit.source = rate[limit.one_core_per_s > 0 ? "one_core" : "all_cores"]["source"].words();
}

/// The roofs that a profile or an estimate used, which are of its number of threads already.
void add_roofs(std::vector<RecordedLimit>& limits, const DocumentValue& roofs) {
  if (roofs.null()) return;
  const std::string isa = roofs["isa"].words(), source = roofs["machine"]["source"].words();
  for (const auto& [dtype, rate] : roofs["macs_per_s"].members())
    limits.push_back({.level = {}, .dtype = dtype, .isa = isa, .all_cores_per_s = positive(rate), .source = source});
  for (const DocumentValue& level : roofs["levels"].items())
    limits.push_back({.level = level["name"].words(),
                      .dtype = {},
                      .isa = {},
                      .all_cores_per_s = positive(level["read_bytes_per_s"]),
                      .source = source});
}

/// What multiply-accumulates on a layer's type count as in a machine file.
std::string format_of(const std::string& dtype) {
  if (dtype == "float32" || dtype == "f32") return "fp32";
  if (dtype == "float16" || dtype == "f16") return "fp16";
  if (dtype == "uint8") return "int8";
  return dtype;
}

/// As many times one core as there are threads, as far as all cores get.
double rate_at(const RecordedLimit& limit, int64_t threads) {
  if (limit.one_core_per_s <= 0) return limit.all_cores_per_s;
  const double sum = limit.one_core_per_s * static_cast<double>(std::max<int64_t>(1, threads));
  return limit.all_cores_per_s > 0 ? std::min(sum, std::max(limit.one_core_per_s, limit.all_cores_per_s)) : sum;
}

std::set<std::string> formats_of(const Recording& recording) {
  std::set<std::string> formats;
  for (const RecordedLayer& layer : recording.layers)
    if (count_of(layer.counts, "macs").value_or(0) > 0 && !layer.dtype.empty()) formats.insert(format_of(layer.dtype));
  if (formats.empty()) formats.insert("fp32");
  return formats;
}

}  // namespace

std::vector<RecordedLimit> limits_of(const DocumentValue& document) {
  std::vector<RecordedLimit> limits;
  add_roofs(limits, document["roofs"]);
  const std::vector<DocumentValue> clusters = document["clusters"].items();
  if (clusters.empty()) return limits;
  for (const DocumentValue& peak : clusters[0]["peaks"].items()) {
    RecordedLimit limit{.level = {}, .dtype = peak["dtype"].words(), .isa = peak["isa"].words(), .source = {}};
    read_rate(limit, peak["macs_per_s"]);
    limits.push_back(std::move(limit));
  }
  for (const DocumentValue& level : clusters[0]["levels"].items()) {
    RecordedLimit limit{.level = level["name"].words(), .dtype = {}, .isa = {}, .source = {}};
    if (limit.level.empty()) level["name"].refuse("must name a level of memory");
    read_rate(limit, level["read_bytes_per_s"]);
    limits.push_back(std::move(limit));
  }
  return limits;
}

std::string limits_source_of(const DocumentValue& document) {
  const bool file = document.has("clusters");
  const DocumentValue machine = file ? document : document["roofs"]["machine"];
  const std::string name = machine["name"].words(), source = machine["source"].words();
  return name + (name.empty() || source.empty() ? "" : " (" + source + ")");
}

std::vector<RecordedRoof> roofs_over(const Recording& recording, const std::vector<RecordedLimit>& limits) {
  const int64_t threads = recording.threads.value_or(1);
  std::vector<RecordedRoof> roofs;
  for (const std::string& format : formats_of(recording)) {
    RecordedRoof fastest;
    for (const RecordedLimit& limit : limits) {
      const bool fits = limit.level.empty() && limit.dtype == format &&
                        (recording.isa.empty() || limit.isa.empty() || limit.isa == recording.isa);
      if (fits && rate_at(limit, threads) > fastest.per_s)
        fastest = {format + (limit.isa.empty() ? "" : " " + limit.isa), true, rate_at(limit, threads)};
    }
    if (fastest.per_s > 0) roofs.push_back(std::move(fastest));
  }
  for (const RecordedLimit& limit : limits)
    if (!limit.level.empty() && rate_at(limit, threads) > 0)
      roofs.push_back({limit.level == "dram" ? "DRAM" : limit.level, false, rate_at(limit, threads)});
  return roofs;
}

}  // namespace tally::tools
