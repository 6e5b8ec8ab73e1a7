#pragma once
#include <string>
#include <vector>

#include "tally/platforms/topology.h"

namespace tally {

/// Cores of one kind: the big or the little ones, or all of a machine that has but one kind.
struct CoreCluster {
  std::vector<int> cpus;      ///< logical CPUs that this process may run on
  std::string name;           ///< "Cortex-A76" where the core tells who it is, else empty
  int64_t capacity = 0;       ///< the kernel's cpu_capacity (1024: the fastest); 0: unknown
  int64_t max_hz = 0;         ///< cpufreq's highest frequency; 0: unknown
  std::vector<Cache> caches;  ///< as the first CPU sees them, by level; empty: unknown
};

/// The CPUs `allowed` by identity, capacity and highest frequency, fastest cluster first. Reads below
/// `root`/sys/devices/system/cpu; where that tells nothing, one cluster of all.
std::vector<CoreCluster> core_clusters(const std::vector<int>& allowed, const std::string& root = "");

/// CPUs in the affinity mask of this thread; empty: unknown.
std::vector<int> affinity();
/// Lets this thread run on `cpus` alone; false where the system refuses.
bool set_affinity(const std::vector<int>& cpus);

}  // namespace tally
