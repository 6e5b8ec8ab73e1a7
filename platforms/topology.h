#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tally/platforms/system_files.h"

namespace tally {

enum class CacheKind : uint8_t { data, instruction, unified };

struct Cache {
  int level = 0;  ///< 1 is nearest to the core
  CacheKind kind = CacheKind::unified;
  int64_t bytes = 0;
  int line_bytes = 0;
  int shared_by = 0;  ///< logical CPUs that share it; 0: unknown
  int ways = 0;       ///< lines of a set; 0: unknown
};

/// CPUs of one kind: of a big.LITTLE machine the big cores, of most machines all.
struct Cluster {
  int64_t capacity = 0;       ///< of an instruction stream, the fastest CPU's being 1024; 0: the system does not tell
  int64_t max_khz = 0;        ///< highest clock; 0: the system does not tell
  std::vector<int> cpus;      ///< online, whether allowed or not
  std::string name;           ///< "Cortex-A76" where its cores tell who they are, else empty
  std::vector<Cache> caches;  ///< of sysfs, as its fastest CPU sees them, by level; empty: unknown
};

/// Cores and caches as the first CPU that this process may run on sees them.
struct Topology {
  int logical_cpus = 1;           ///< online in the machine
  int allowed_cpus = 1;           ///< that this process may run on (affinity mask): the most threads worth starting
  int physical_cores = 0;         ///< distinct cores among the allowed CPUs; 0: unknown
  std::vector<Cache> caches;      ///< by level; empty: unknown
  std::string cache_source;       ///< "sysfs", "cpuid" or empty
  std::vector<Cluster> clusters;  ///< by falling capacity and clock; one at least

  /// Bytes of the data or unified cache of `level`; 0: none or unknown.
  int64_t data_cache_bytes(int level) const;
};

/// Asked once, at the first call.
const Topology& topology();

/// What `files` tell, `allowed` being the CPUs that may be used (empty: unknown). On the running system the CPU itself
/// is asked for what its files leave out.
Topology read_topology(const SystemFiles& files, const std::vector<int>& allowed);

/// Logical CPUs of the same core as `cpu`, itself left out.
std::vector<int> smt_siblings(const SystemFiles& files, int cpu);

}  // namespace tally
