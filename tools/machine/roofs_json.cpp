// Roofs in documents.
#include "nlohmann/json.hpp"
#include "tools/machine/roofs.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

ordered_json intensity(int64_t macs, int64_t bytes) {
  return bytes > 0 ? ordered_json(2.0 * static_cast<double>(macs) / static_cast<double>(bytes)) : ordered_json();
}

void add_roof(ordered_json& layer, const PlanRoofs& roofs, const LayerRoof& of, double measured_ns) {
  ordered_json beyond = ordered_json::object(), fetched = ordered_json::object(), intensities;
  intensities["compulsory"] = intensity(of.macs, of.bytes_compulsory);
  intensities["issued"] = intensity(of.macs, of.bytes_issued);
  intensities["beyond"] = ordered_json::object();
  for (size_t i = 0; i < of.bytes_beyond.size(); ++i) {
    beyond[roofs.caches[i]] = of.bytes_beyond[i];
    fetched[roofs.caches[i]] = of.bytes_fetched[i];
    intensities["beyond"][roofs.caches[i]] = intensity(of.macs, of.bytes_beyond[i]);
  }
  const bool modelled = !of.bytes_beyond.empty();
  layer["bytes"] = {{"compulsory", of.bytes_compulsory},
                    {"issued", of.bytes_issued},
                    {"beyond", modelled ? beyond : ordered_json()},
                    {"beyond_fetched", modelled ? fetched : ordered_json()},
                    {"beyond_source", modelled ? ordered_json("model") : ordered_json()},
                    {"in_order", of.in_order}};
  if (!modelled) intensities["beyond"] = nullptr;
  layer["intensities"] = std::move(intensities);
  layer["roof"] = nullptr;
  if (!of.roof) {
    if (roofs.machine) layer["missing"]["roof"] = of.missing;  // else the document says why
    return;
  }
  ordered_json units = ordered_json::object();
  for (const Roof::Unit& unit : of.roof->units) units[std::string(name_of(unit.unit))] = unit.ns;
  layer["roof"] = {{"bound", name_of(of.roof->bound)},
                   {"ns", of.roof->ns},
                   {"share", measured_ns > 0 ? ordered_json(of.roof->ns / measured_ns) : ordered_json()},
                   {"units", std::move(units)}};
}

ordered_json total_roof(const PlanRoofs& roofs, double measured_ns) {
  if (!roofs.machine) return nullptr;
  return {{"ns", roofs.ns}, {"share", measured_ns > 0 ? ordered_json(roofs.ns / measured_ns) : ordered_json()}};
}

ordered_json roofs_json(const PlanRoofs& roofs, const Plan& plan) {
  ordered_json caches = ordered_json::array();
  for (const CacheShape& shape : roofs.shapes)
    caches.push_back({{"bytes", shape.bytes}, {"line_bytes", shape.line_bytes}, {"ways", shape.ways}});
  ordered_json document{{"caches", std::move(caches)}, {"caches_warm", roofs.warm}};
  if (!roofs.beyond_missing.empty()) document["missing"]["beyond"] = roofs.beyond_missing;
  document["machine"] = nullptr;
  if (!roofs.machine) {
    document["missing"]["machine"] = roofs.missing;
    return document;
  }
  const MachineCluster& cluster = roofs.machine->clusters.front();
  document["machine"] = {{"name", roofs.machine->name},
                         {"cpu", roofs.machine->cpu},
                         {"source", roofs.machine->source()},
                         {"cluster", cluster.name}};
  document["isa"] = roofs.isa.empty() ? ordered_json() : ordered_json(roofs.isa);
  if (roofs.isa.empty()) document["missing"]["isa"] = "the machine file has no peak of this instruction set";
  document["threads"] = plan.threads;
  ordered_json macs = ordered_json::object();
  for (const DType dtype : {DType::f32, DType::f16, DType::i8})
    if (const Peaks peaks = peaks_of(cluster, dtype, roofs.isa, plan.threads); peaks.macs_per_ns > 0)
      macs[format_of(dtype)] = peaks.macs_per_ns * 1e9;
  document["macs_per_s"] = std::move(macs);
  document["levels"] = ordered_json::array();
  for (const LevelRate& rate : peaks_of(cluster, DType::f32, roofs.isa, plan.threads).levels)
    document["levels"].push_back({{"name", name_of(rate.level)},
                                  {"read_bytes_per_s", rate.read * 1e9},
                                  {"write_bytes_per_s", rate.write * 1e9}});
  return document;
}

}  // namespace

void add_roofs(ordered_json& document, const Plan& plan, const PlanRoofs& roofs, std::span<const double> measured_ns,
               double total_ns) {
  for (size_t r = 0; r < roofs.layers.size() && r < document["layers"].size(); ++r)
    add_roof(document["layers"][r], roofs, roofs.layers[r], r < measured_ns.size() ? measured_ns[r] : 0);
  if (document.contains("totals")) document["totals"]["roof"] = total_roof(roofs, total_ns);
  document["roofs"] = roofs_json(roofs, plan);
  if (!roofs.machine) document["missing"]["roof"] = roofs.missing;
  document["missing"]["intensities"] = "no bytes there";
}

}  // namespace tally::tools
