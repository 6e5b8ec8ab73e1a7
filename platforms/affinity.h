#pragma once
// Which CPU a thread runs on.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tally/platforms/system_files.h"
#include "tally/platforms/topology.h"

namespace tally {

/// CPUs that the calling thread may run on, rising; empty: the system does not tell.
std::vector<int> allowed_cpus();

/// Lets the calling thread, and threads that it starts from now on, run on `cpus` alone; false: the system refused, or
/// there are none.
bool set_affinity(const std::vector<int>& cpus);

/// What a CPU has spent since start, in clock ticks of /proc/stat (usually 10 ms).
struct CpuTimes {
  int64_t busy = 0;    ///< user, nice, system, irq, softirq
  int64_t idle = 0;    ///< idle, iowait
  int64_t stolen = 0;  ///< of a virtual machine: wanted, and given to others by the host
};

/// By CPU; −1 is the sum of all. Empty: /proc/stat does not tell.
std::map<int, CpuTimes> cpu_times(const SystemFiles& files);

/// Share of busy ticks between two readings; 0 where there were none.
double busy_share(const CpuTimes& before, const CpuTimes& after);

/// The clusters with their `allowed` CPUs alone, those without any left out; of CPUs that the topology does not know,
/// one cluster without a name. At least one where any CPU is allowed.
std::vector<Cluster> clusters_within(const Topology& topology, const std::vector<int>& allowed);

/// Of `allowed`, those of the fastest cluster that has any.
std::vector<int> fastest_of(const Topology& topology, const std::vector<int>& allowed);

/// Which of `clusters`, fastest first, is meant by "big" (the first), "little" (the last; both only of several), a
/// number from 0, or a core's name ("Cortex-A55", in any case); −1: none.
int cluster_named(const std::vector<Cluster>& clusters, std::string_view which);

/// The CPU of `candidates` that was least busy between two readings, its SMT siblings' work counting as its own; of
/// equals the last, since interrupts favour the first. −1: no candidate.
int quietest_of(const std::vector<int>& candidates, const std::map<int, std::vector<int>>& siblings,
                const std::map<int, CpuTimes>& before, const std::map<int, CpuTimes>& after);

/// The CPU to measure on: of the fastest allowed ones the quietest while this call waits (0.1 s where there are
/// several); −1: unknown.
int cpu_to_measure_on(const SystemFiles& files, const Topology& topology, const std::vector<int>& allowed);

/// Keeps the calling thread on one CPU, or a few, until the end of its life, which must be on the same thread, and then
/// gives it back those it had. Threads that are started meanwhile inherit them.
class Pin {
 public:
  /// A negative `cpu` does nothing.
  explicit Pin(int cpu);
  /// Several CPUs; none does nothing.
  explicit Pin(const std::vector<int>& cpus);
  ~Pin();
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  bool holds() const { return held_; }  ///< false: the system refused

 private:
  std::vector<int> before_;
  bool held_ = false;
};

}  // namespace tally
