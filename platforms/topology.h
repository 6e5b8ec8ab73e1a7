#pragma once
#include <cstdint>
#include <string>
#include <vector>

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

/// Cores and caches as the first CPU that this process may run on sees them.
struct Topology {
  int logical_cpus = 1;       ///< online in the machine
  int allowed_cpus = 1;       ///< that this process may run on (affinity mask): the most threads worth starting
  int physical_cores = 0;     ///< distinct cores among the allowed CPUs; 0: unknown
  std::vector<Cache> caches;  ///< by level; empty: unknown
  std::string cache_source;   ///< "sysfs", "cpuid" or empty

  /// Bytes of the data or unified cache of `level`; 0: none or unknown.
  int64_t data_cache_bytes(int level) const;
};

/// Asked once, at the first call.
const Topology& topology();

}  // namespace tally
