// Machine files in and out of JSON.
#include <cmath>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/machine/machine_file.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

constexpr size_t kMostClusters = 16, kMostPeaks = 256, kMostLevels = 8, kMostKinds = 1024;
constexpr double kMostRate = 1e18;

ordered_json json_of(const Figure& f) {
  if (f.value <= 0) return nullptr;
  ordered_json j{{"value", f.value}, {"source", f.source}};
  if (!f.citation.empty()) j["citation"] = f.citation;
  if (f.samples > 0) {
    j["p10"] = f.p10;
    j["median"] = f.median;
    j["p90"] = f.p90;
    j["samples"] = f.samples;
  }
  return j;
}

/// Members that are null have `reason` in "missing".
void explain_nulls(ordered_json& object, const char* reason) {
  ordered_json missing = ordered_json::object();
  for (const auto& [key, value] : object.items())
    if (value.is_null()) missing[key] = reason;
  if (!missing.empty()) object["missing"] = std::move(missing);
}

ordered_json json_of(const Rate& rate, const MachineCluster& cluster) {
  ordered_json j{{"one_core", json_of(rate.one_core)}, {"all_cores", json_of(rate.all_cores)}};
  explain_nulls(j, cluster.cores == 1 ? "the cluster has one core" : "neither measured nor published");
  return j;
}

ordered_json json_of(const Correction& c) {
  return {
      {"ns_per_mac", c.ns_per_mac}, {"ns_per_byte", c.ns_per_byte}, {"ns_per_call", c.ns_per_call}, {"rows", c.rows}};
}

ordered_json json_of(const MachineCluster& cluster) {
  ordered_json j{{"name", cluster.name}, {"cores", cluster.cores}, {"clock_hz", json_of(cluster.clock_hz)}};
  j["peaks"] = ordered_json::array();
  for (const PeakRate& peak : cluster.peaks)
    j["peaks"].push_back({{"dtype", peak.dtype}, {"isa", peak.isa}, {"macs_per_s", json_of(peak.macs_per_s, cluster)}});
  j["levels"] = ordered_json::array();
  const auto size = [](auto value) { return value > 0 ? ordered_json(value) : ordered_json(); };
  for (const MemoryLevel& level : cluster.levels) {
    ordered_json item{{"name", level.name}, {"bytes", size(level.bytes)}, {"line_bytes", size(level.line_bytes)}};
    item["ways"] = size(level.ways);
    item["shared_by"] = size(level.shared_by);
    item["read_bytes_per_s"] = json_of(level.read, cluster);
    item["write_bytes_per_s"] = json_of(level.write, cluster);
    item["copy_bytes_per_s"] = json_of(level.copy, cluster);
    explain_nulls(item, level.name == "dram" ? "main memory is no cache" : "the system does not tell");
    j["levels"].push_back(std::move(item));
  }
  j["call_ns"] = json_of(cluster.call_ns);
  explain_nulls(j, "neither measured nor published");
  return j;
}

/// Reads members of one object; every failure names the file and the place.
class Reader {
 public:
  Reader(const ordered_json& json, std::string who, std::string place)
      : json_(json), who_(std::move(who)), place_(std::move(place)) {
    if (!json.is_object()) refuse("", json, "must be an object");
  }

  std::string word(const char* key, bool required) const {
    const ordered_json& value = member(key);
    if (value.is_null() && !required) return "";
    if (!value.is_string() || (required && value.get_ref<const std::string&>().empty()))
      refuse(key, value, "must be a text");
    return value.get<std::string>();
  }
  double number(const char* key, double most, bool required = false) const {
    const ordered_json& value = member(key);
    if (value.is_null() && !required) return 0;
    const double number = value.is_number() ? value.get<double>() : -1;
    if (!(number >= 0 && number <= most)) refuse(key, value, text("must be a number from 0 to ", most));
    return number;
  }
  int64_t integer(const char* key, double most) const { return static_cast<int64_t>(number(key, most)); }
  const ordered_json& list(const char* key, size_t most) const {
    const ordered_json& value = member(key);
    if (!value.is_array() || value.size() > most) refuse(key, value, text("must be a list of at most ", most));
    return value;
  }
  bool has(const char* key) const { return !member(key).is_null(); }
  Reader at(const char* key) const { return {member(key), who_, inside(key)}; }
  Reader at(const char* key, size_t index) const {
    return {member(key)[index], who_, inside(key) + "[" + std::to_string(index) + "]"};
  }
  const ordered_json& json() const { return json_; }

  Figure figure(const char* key) const {
    Figure f;
    if (!has(key)) return f;
    const Reader r = at(key);
    f.value = r.number("value", kMostRate, true);
    f.source = r.word("source", true);
    f.citation = r.word("citation", false);
    f.p10 = r.number("p10", kMostRate);
    f.median = r.number("median", kMostRate);
    f.p90 = r.number("p90", kMostRate);
    f.samples = static_cast<int>(r.integer("samples", 1e9));
    return f;
  }
  Rate rate(const char* key) const {
    if (!has(key)) return {};
    const Reader r = at(key);
    return {r.figure("one_core"), r.figure("all_cores")};
  }
  Correction correction() const {
    return {number("ns_per_mac", 1e9, true), number("ns_per_byte", 1e9, true), number("ns_per_call", 1e15, true),
            static_cast<int>(integer("rows", 1e9))};
  }

  [[noreturn]] void refuse(const std::string& key, const ordered_json& value, const std::string& required) const {
    std::string found = value.is_null() ? "missing" : value.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
    if (found.size() > 60) found = found.substr(0, 57) + "...";
    fail(who_ + ": " + inside(key), found, required, ErrorCode::model);
  }

 private:
  std::string inside(const std::string& key) const {
    return place_.empty() ? key : key.empty() ? place_ : place_ + "." + key;
  }
  const ordered_json& member(const char* key) const {
    static const ordered_json kNull;
    const auto found = json_.find(key);
    return found == json_.end() ? kNull : *found;
  }

  const ordered_json& json_;
  std::string who_, place_;
};

MachineCluster cluster_from(const Reader& r) {
  MachineCluster cluster;
  cluster.name = r.word("name", false);
  cluster.cores = std::max(1, static_cast<int>(r.integer("cores", 65536)));
  cluster.clock_hz = r.figure("clock_hz");
  for (size_t i = 0; i < r.list("peaks", kMostPeaks).size(); ++i) {
    const Reader peak = r.at("peaks", i);
    cluster.peaks.push_back({peak.word("dtype", true), peak.word("isa", true), peak.rate("macs_per_s")});
  }
  for (size_t i = 0; i < r.list("levels", kMostLevels).size(); ++i) {
    const Reader item = r.at("levels", i);
    MemoryLevel level;
    level.name = item.word("name", true);
    if (level.name != "L1" && level.name != "L2" && level.name != "L3" && level.name != "dram")
      item.refuse("name", item.json()["name"], "must be L1, L2, L3 or dram");
    level.bytes = item.integer("bytes", 1e15);
    level.line_bytes = static_cast<int>(item.integer("line_bytes", 4096));
    level.ways = static_cast<int>(item.integer("ways", 65536));
    level.shared_by = static_cast<int>(item.integer("shared_by", 65536));
    level.read = item.rate("read_bytes_per_s");
    level.write = item.rate("write_bytes_per_s");
    level.copy = item.rate("copy_bytes_per_s");
    cluster.levels.push_back(std::move(level));
  }
  cluster.call_ns = r.figure("call_ns");
  return cluster;
}

Fit fit_from(const Reader& r) {
  Fit fit;
  fit.isa = r.word("isa", true);
  fit.threads = std::max(1, static_cast<int>(r.integer("threads", 65536)));
  for (const ordered_json& model : r.list("models", 65536))
    if (model.is_string()) fit.models.push_back(model.get<std::string>());
  fit.overall = r.at("overall").correction();
  if (r.has("kinds")) {
    const Reader kinds = r.at("kinds");
    if (kinds.json().size() > kMostKinds) kinds.refuse("", kinds.json(), text("must have at most ", kMostKinds));
    for (const auto& [op, value] : kinds.json().items()) fit.kinds[op] = kinds.at(op.c_str()).correction();
  }
  if (r.has("held_out")) fit.held_out = r.at("held_out").json();
  return fit;
}

}  // namespace

ordered_json to_json(const MachineFile& file, ordered_json head) {
  ordered_json document = std::move(head);
  document["name"] = file.name;
  document["cpu"] = file.cpu;
  document["architecture"] = file.architecture;
  document["source"] = file.source();
  document["clusters"] = ordered_json::array();
  for (const MachineCluster& cluster : file.clusters) document["clusters"].push_back(json_of(cluster));
  document["citations"] = file.citations;
  if (file.fit) {
    const Fit& fit = *file.fit;
    ordered_json j{{"source", "fit"}, {"isa", fit.isa}, {"threads", fit.threads}, {"models", fit.models}};
    j["overall"] = json_of(fit.overall);
    j["kinds"] = ordered_json::object();
    for (const auto& [op, correction] : fit.kinds) j["kinds"][op] = json_of(correction);
    j["held_out"] = fit.held_out;
    document["fit"] = std::move(j);
  }
  return document;
}

MachineFile machine_from_json(const ordered_json& document, const std::string& who) {
  const Reader r(document, who, "");
  if (const std::string schema = r.word("schema", true); schema != "tally.machine/1")
    fail(who + ": schema", "'" + schema + "'", "must be tally.machine/1", ErrorCode::model);
  MachineFile file;
  file.name = r.word("name", true);
  file.cpu = r.word("cpu", false);
  file.architecture = r.word("architecture", false);
  for (size_t i = 0; i < r.list("clusters", kMostClusters).size(); ++i)
    file.clusters.push_back(cluster_from(r.at("clusters", i)));
  if (file.clusters.empty()) r.refuse("clusters", document["clusters"], "must have one cluster at least");
  if (r.has("citations")) {
    const Reader citations = r.at("citations");
    for (const auto& [key, value] : citations.json().items()) file.citations[key] = citations.word(key.c_str(), true);
  }
  if (r.has("fit")) file.fit = fit_from(r.at("fit"));
  return file;
}

}  // namespace tally::tools
