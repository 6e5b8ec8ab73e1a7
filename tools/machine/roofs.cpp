#include "tools/machine/roofs.h"

#include <algorithm>

#include "tally/engine/error.h"
#include "tally/engine/traffic.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

double flops_per_byte(int64_t macs, int64_t bytes) {
  return bytes > 0 ? 2.0 * static_cast<double>(macs) / static_cast<double>(bytes) : 0;
}

/// The instruction set whose peaks a plan is held against: its own, or, where the machine is of another family, the
/// machine's fastest ("").
std::string held_against(const MachineCluster& cluster, Isa isa) {
  const std::string name(name_of(isa));
  const bool known =
      std::any_of(cluster.peaks.begin(), cluster.peaks.end(), [&](const PeakRate& peak) { return peak.isa == name; });
  return known ? name : "";
}

/// What runs as kernels of the instruction set has a roof.
Roof roof_of_row(const PlanRow& row, const Tally& tally, const MachineCluster& cluster, const std::string& isa,
                 const Traffic& traffic, size_t index) {
  Work work;
  work.macs = static_cast<double>(tally.macs + tally.lane_fma_other);
  work.bytes.push_back({static_cast<double>(tally.bytes_loaded), static_cast<double>(tally.bytes_stored)});
  if (traffic.missing.empty())
    for (const LevelTraffic& t : traffic.rows[index].beyond)
      work.bytes.push_back(
          {static_cast<double>(t.fills * traffic.line_bytes), static_cast<double>(t.write_backs * traffic.line_bytes)});
  return roof_of(work, peaks_of(cluster, row.dtype, isa, row.threads));
}

MachineChoice found_machine(const std::string& option) {
  MachineChoice choice;
  if (!option.empty()) {
    choice.file = read_machine_file(option);
    return choice;
  }
  const std::filesystem::path path = default_machine_path();
  std::error_code ignored;
  if (path.empty() || !std::filesystem::is_regular_file(path, ignored)) {
    choice.missing = "not calibrated (tally calibrate)";
    return choice;
  }
  try {
    choice.file = read_machine_file(path.string());
  } catch (const Error& e) {
    choice.missing = std::string("not calibrated: ") + e.what();
    return choice;
  }
  if (choice.file->cpu == cpu_name()) return choice;
  choice.missing = "not calibrated: " + path.string() + " is of " + choice.file->cpu + ", this is " + cpu_name();
  choice.file.reset();
  return choice;
}

}  // namespace

MachineChoice choose_machine(const std::string& option, int cluster) {
  MachineChoice choice = found_machine(option);
  if (!choice.file || cluster == 0) return choice;
  std::vector<MachineCluster>& clusters = choice.file->clusters;
  if (static_cast<size_t>(cluster) >= clusters.size())
    fail("--cluster", std::to_string(cluster),
         "must be below " + std::to_string(clusters.size()) + ", the clusters of machine file '" + choice.file->name +
             "'",
         ErrorCode::usage);
  std::rotate(clusters.begin(), clusters.begin() + cluster, clusters.begin() + cluster + 1);
  return choice;
}

PlanRoofs roofs_of(const Plan& plan, std::span<const Tally> tallies, const MachineChoice& machine) {
  PlanRoofs roofs;
  roofs.machine = machine.file;
  roofs.missing = machine.missing;
  const MachineCluster* cluster = machine.file ? &machine.file->clusters.front() : nullptr;
  if (cluster != nullptr) roofs.isa = held_against(*cluster, plan.isa);
  roofs.shapes = cluster != nullptr ? cache_shapes(*cluster) : cache_shapes_here();
  Traffic traffic;
  if (roofs.shapes.empty())
    traffic.missing = "no cache sizes known";
  else
    traffic = model_traffic(plan, roofs.shapes);
  roofs.beyond_missing = traffic.missing;
  roofs.warm = traffic.warm;
  for (size_t i = 0; i < roofs.shapes.size() && traffic.missing.empty(); ++i)
    roofs.caches.push_back("L" + std::to_string(i + 1));
  for (size_t r = 0; r < plan.rows.size(); ++r) {
    const PlanRow& row = plan.rows[r];
    LayerRoof layer;
    layer.macs = tallies[r].macs;
    layer.bytes_compulsory = row.ideal.bytes_read + row.ideal.bytes_weights + row.ideal.bytes_written;
    layer.bytes_issued = tallies[r].bytes_loaded + tallies[r].bytes_stored;
    for (size_t i = 0; i < roofs.caches.size(); ++i) {
      layer.bytes_beyond.push_back(traffic.bytes(r, i));
      layer.bytes_fetched.push_back(traffic.rows[r].beyond[i].fills * traffic.line_bytes);
    }
    if (traffic.missing.empty()) layer.in_order = traffic.rows[r].in_order;
    if (cluster == nullptr)
      layer.missing = roofs.missing;
    else if (row.on_host)
      layer.missing = "a plain loop on the host, no kernel of an instruction set";
    else
      layer.roof = roof_of_row(row, tallies[r], *cluster, roofs.isa, traffic, r);
    if (layer.roof) roofs.ns += layer.roof->ns;
    roofs.layers.push_back(std::move(layer));
  }
  return roofs;
}

Table roof_table(const Plan& plan, const PlanRoofs& roofs, std::span<const double> measured_ns, double total_ns) {
  Table table;
  table.columns = {{"name", "layer", Unit::path, "", 10},
                   {"bytes_compulsory", "ideal", Unit::bytes, "bytes", 0, 2},
                   {"bytes_issued", "issued", Unit::bytes, "bytes"}};
  for (const std::string& cache : roofs.caches)
    table.columns.push_back({"bytes_beyond_" + cache, "past " + cache, Unit::bytes, "bytes"});
  table.columns.push_back({"flops_per_byte_compulsory", "ideal", Unit::rate, "FLOP/B", 0, 3});
  table.columns.push_back({"flops_per_byte_issued", "issued", Unit::rate, "FLOP/B"});
  if (!roofs.caches.empty())
    table.columns.push_back(
        {"flops_per_byte_beyond_" + roofs.caches.back(), roofs.caches.back(), Unit::rate, "FLOP/B", 0, 1});
  const bool has_roofs = roofs.machine.has_value();
  if (has_roofs) {
    table.columns.push_back({"bound", "bound", Unit::text, "roof"});
    table.columns.push_back({"roof_ns", "time", Unit::ns, "roof"});
    if (!measured_ns.empty()) table.columns.push_back({"share", "share", Unit::share, "roof"});
  }
  LayerRoof sum;
  sum.bytes_beyond.assign(roofs.caches.size(), 0);
  const auto add = [&](std::string name, const LayerRoof& layer, Cell bound, Cell ns, Cell share) {
    std::vector<Cell> cells{std::move(name), layer.bytes_compulsory, layer.bytes_issued};
    for (const int64_t bytes : layer.bytes_beyond) cells.emplace_back(bytes);
    cells.emplace_back(flops_per_byte(layer.macs, layer.bytes_compulsory));
    cells.emplace_back(flops_per_byte(layer.macs, layer.bytes_issued));
    if (!layer.bytes_beyond.empty()) cells.emplace_back(flops_per_byte(layer.macs, layer.bytes_beyond.back()));
    for (Cell* cell : {&bound, &ns, &share}) cells.push_back(std::move(*cell));
    cells.resize(table.columns.size());
    return cells;
  };
  for (size_t r = 0; r < roofs.layers.size(); ++r) {
    const LayerRoof& layer = roofs.layers[r];
    if (plan.rows[r].step_count == 0) continue;  // views
    const double measured = r < measured_ns.size() ? measured_ns[r] : 0;
    table.rows.push_back(add(plan.rows[r].name, layer,
                             layer.roof ? Cell(std::string(name_of(layer.roof->bound))) : Cell(),
                             layer.roof ? Cell(layer.roof->ns) : Cell(),
                             layer.roof && measured > 0 ? Cell(layer.roof->ns / measured) : Cell()));
    sum.macs += layer.macs;
    sum.bytes_compulsory += layer.bytes_compulsory;
    sum.bytes_issued += layer.bytes_issued;
    for (size_t i = 0; i < layer.bytes_beyond.size(); ++i) sum.bytes_beyond[i] += layer.bytes_beyond[i];
  }
  table.totals = add("total", sum, std::string(), roofs.ns, total_ns > 0 ? Cell(roofs.ns / total_ns) : Cell());
  return table;
}

std::vector<std::string> roof_notes(const PlanRoofs& roofs) {
  std::vector<std::string> notes;
  std::string sizes;
  for (const CacheShape& shape : roofs.shapes)
    sizes += (sizes.empty() ? "" : ", ") + formatted("{} KiB {}-way", shape.bytes / 1024, shape.ways);
  if (roofs.beyond_missing.empty()) {
    notes.push_back(formatted(
        "- bytes: ideal (compulsory), each tensor once; issued, the kernels' loads and stores; past a cache (model): "
        "lines "
        "fetched and written back, by a simulation of {} caches ({}) fed with what the plan's steps touch{}. FLOP/B: "
        "two a MAC whose product is used.",
        "least-recently-used", sizes,
        roofs.warm ? ", as the run before leaves them" : ", from empty caches: too much to be walked through twice"));
  } else {
    notes.push_back("- bytes past caches: n/a, " + roofs.beyond_missing + ".");
  }
  if (!roofs.machine) {
    notes.push_back("- roof: n/a, " + roofs.missing + ".");
    return notes;
  }
  notes.push_back(formatted(
      "- roof: the least time that {} ({}) could take: MACs at its peak, or issued bytes at L1's rate, or bytes past "
      "one cache at the next level's, whichever is longest (bound). Share: that time over the measured one.",
      roofs.machine->name, roofs.machine->source()));
  return notes;
}

}  // namespace tally::tools
