#pragma once
// Machine files, schema "tally.machine/1": what a machine can do, each figure with its source. `calibrate` writes one
// of this machine, `fit` corrects one, and some of machines that are not here come with the program.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tally/engine/cache_model.h"
#include "tally/engine/roofline.h"
#include "tally/platforms/dtype.h"

namespace tally::tools {

/// A rate (of a second) with its source. Measured ones have the spread of their samples.
struct Figure {
  double value = 0;      ///< 0: not known
  std::string source;    ///< "measured", "model" or "fit"
  std::string citation;  ///< of a model: key in MachineFile::citations, and what was made of it
  double p10 = 0, median = 0, p90 = 0;
  int samples = 0;
};

/// By one core, and by all of the cluster at once.
struct Rate {
  Figure one_core, all_cores;
  /// At `threads` threads: so many times one core, and no more than all get, where that is known; 0: nothing is.
  double at(int threads) const;
};

struct PeakRate {
  std::string dtype;  ///< "fp32", "fp16", "int8"
  std::string isa;
  Rate macs_per_s;
};

struct MemoryLevel {
  std::string name;  ///< "L1", "L2", "L3", "dram"
  int64_t bytes = 0;
  int line_bytes = 0, ways = 0, shared_by = 0;  ///< 0: not known, or the memory
  Rate read, write, copy;                       ///< bytes a second; a copy's are those read and those written
};

struct MachineCluster {
  std::string name;
  int cores = 1;
  Figure clock_hz;
  std::vector<PeakRate> peaks;
  std::vector<MemoryLevel> levels;  ///< nearest first, the memory last
  Figure call_ns;                   ///< of a layer beside its work: dispatch, setting up
};

/// ns = ns_per_mac · MACs + ns_per_byte · bytes + ns_per_call, from the user's own profiles.
struct Correction {
  double ns_per_mac = 0, ns_per_byte = 0, ns_per_call = 0;
  int rows = 0;
};
struct Fit {
  std::string isa;  ///< of the profiles
  int threads = 1;
  std::vector<std::string> models;
  Correction overall;
  std::map<std::string, Correction> kinds;  ///< by operator, those with rows enough
  nlohmann::ordered_json held_out;          ///< as `fit` found it

  const Correction& of(const std::string& op) const {
    const auto kind = kinds.find(op);
    return kind == kinds.end() ? overall : kind->second;
  }
};

struct MachineFile {
  std::string name, cpu, architecture;
  std::vector<MachineCluster> clusters;  ///< fastest first; at least one
  std::map<std::string, std::string> citations;
  std::optional<Fit> fit;

  /// "measured", or "model" where no figure of the first cluster is measured.
  std::string source() const;
};

/// The document; `head`: schema, version and machine as documents begin.
nlohmann::ordered_json to_json(const MachineFile& file, nlohmann::ordered_json head);
/// Throws Error(model) naming `who`, the place, the value found and the value required.
MachineFile machine_from_json(const nlohmann::ordered_json& document, const std::string& who);

/// A file, or the name of one that comes with the program ("raspberry-pi-4"). Throws Error(model) where it is neither,
/// is no JSON, or no machine file.
MachineFile read_machine_file(const std::string& argument);
/// Names of those that come with the program.
std::vector<std::string> shipped_machines();

/// Where calibrate leaves its file: $XDG_CONFIG_HOME/tally/machine.json or ~/.config/tally/machine.json; empty where
/// the environment names neither.
std::filesystem::path default_machine_path();

/// Peaks of a cluster at so many threads. `isa` empty: the fastest that the file has for the number format. The rate of
/// compute is 0 where the file has none.
Peaks peaks_of(const MachineCluster& cluster, DType dtype, const std::string& isa, int threads);
/// "fp32", "fp16", "int8": what multiply-accumulates on tensors of this type count as.
std::string format_of(DType dtype);

/// Caches of a cluster, for a model of them; fewer than there are from the first on whose size is not known.
std::vector<CacheShape> cache_shapes(const MachineCluster& cluster);
/// Of the machine that this runs on.
std::vector<CacheShape> cache_shapes_here();

}  // namespace tally::tools
