#pragma once
// Each layer's bytes at three levels (compulsory, issued, beyond each cache) and the roof that binds it.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tally/engine/plan.h"
#include "tally/engine/roofline.h"
#include "tools/machine/machine_file.h"
#include "tools/output/table.h"

namespace tally::tools {

/// What --machine, or calibrate before, knows of the machine.
struct MachineChoice {
  std::optional<MachineFile> file;
  std::string missing;  ///< why there is none
};
/// `option` names a file, or is empty: the one that calibrate left, if it is of this CPU. Of its clusters the one at
/// `cluster` comes first, whose roofs are then held against. Throws Error(model) where a named file is none,
/// Error(usage) where it has fewer clusters.
MachineChoice choose_machine(const std::string& option, int cluster = 0);

struct LayerRoof {
  int64_t macs = 0;  ///< products that results use
  int64_t bytes_compulsory = 0, bytes_issued = 0;
  std::vector<int64_t> bytes_beyond;   ///< by cache, both ways; empty: not modelled; source: model
  std::vector<int64_t> bytes_fetched;  ///< of them, those that came
  bool in_order = true;                ///< false: some steps do not say in which order they touch what
  std::optional<Roof> roof;
  std::string missing;  ///< why there is no roof
};

struct PlanRoofs {
  std::optional<MachineFile> machine;
  std::string isa;                  ///< whose peaks the plan is held against; empty: the machine's fastest
  std::vector<std::string> caches;  ///< "L1" …, as far as sizes are known
  std::vector<CacheShape> shapes;
  bool warm = true;
  std::string beyond_missing;     ///< why nothing is known beyond caches
  std::vector<LayerRoof> layers;  ///< one a row of the plan
  double ns = 0;                  ///< Σ of the layers' roofs
  std::string missing;            ///< why there are no roofs
};

/// Of a plan whose rows executed `tallies`. Bytes beyond caches are modelled with the machine file's caches, or
/// without one, with this machine's.
PlanRoofs roofs_of(const Plan& plan, std::span<const Tally> tallies, const MachineChoice& machine);

/// Rows of the plan; `measured_ns`: medians, one a row, or empty where only the whole was timed.
Table roof_table(const Plan& plan, const PlanRoofs& roofs, std::span<const double> measured_ns, double total_ns);
/// What the table's columns are, and where they come from.
std::vector<std::string> roof_notes(const PlanRoofs& roofs);

/// Adds "bytes", "intensities" and "roof" to the objects in document["layers"], one a row of the plan, and to "totals"
/// where there are any; document["roofs"] says which machine file, its peaks, and how bytes were modelled.
/// `measured_ns`: as above.
void add_roofs(nlohmann::ordered_json& document, const Plan& plan, const PlanRoofs& roofs,
               std::span<const double> measured_ns, double total_ns);

}  // namespace tally::tools
