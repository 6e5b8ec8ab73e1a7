#include "tally/platforms/affinity.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <sstream>
#include <thread>

namespace tally {

bool set_affinity([[maybe_unused]] const std::vector<int>& cpus) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
    CPU_SET(static_cast<size_t>(cpu), &set);
  }
  return !cpus.empty() && sched_setaffinity(0, sizeof set, &set) == 0;
#else
  return false;
#endif
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(static_cast<size_t>(i), &set)) cpus.push_back(i);
    }
  }
#endif
  return cpus;
}

std::map<int, CpuTimes> cpu_times(const SystemFiles& files) {
  std::map<int, CpuTimes> times;
  std::istringstream lines(files.text("/proc/stat"));
  for (std::string line; std::getline(lines, line) && line.compare(0, 3, "cpu") == 0;) {
    std::istringstream words(line.substr(3));
    int cpu = -1;
    if (line.size() > 3 && line[3] != ' ' && !(words >> cpu)) break;
    int64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    if (!(words >> user >> nice >> system >> idle)) break;
    words >> iowait >> irq >> softirq >> steal;  // missing from old kernels
    times[cpu] = {user + nice + system + irq + softirq, idle + iowait, steal};
  }
  return times;
}

double busy_share(const CpuTimes& before, const CpuTimes& after) {
  const int64_t busy = after.busy - before.busy, idle = after.idle - before.idle;
  return busy + idle > 0 ? static_cast<double>(busy) / static_cast<double>(busy + idle) : 0;
}

std::vector<Cluster> clusters_within(const Topology& topology, const std::vector<int>& allowed) {
  std::vector<Cluster> clusters;
  for (Cluster cluster : topology.clusters) {
    std::erase_if(cluster.cpus,
                  [&](int cpu) { return std::find(allowed.begin(), allowed.end(), cpu) == allowed.end(); });
    if (!cluster.cpus.empty()) clusters.push_back(std::move(cluster));
  }
  if (clusters.empty() && !allowed.empty()) {
    clusters.emplace_back();
    clusters.back().cpus = allowed;
  }
  return clusters;
}

std::vector<int> fastest_of(const Topology& topology, const std::vector<int>& allowed) {
  const std::vector<Cluster> clusters = clusters_within(topology, allowed);
  return clusters.empty() ? allowed : clusters.front().cpus;
}

int cluster_named(const std::vector<Cluster>& clusters, std::string_view which) {
  const int count = static_cast<int>(clusters.size());
  if (which == "big") return count > 1 ? 0 : -1;
  if (which == "little") return count > 1 ? count - 1 : -1;
  int number = -1;
  const auto parsed = std::from_chars(which.data(), which.data() + which.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == which.data() + which.size())
    return number >= 0 && number < count ? number : -1;
  const auto same_letter = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  for (int i = 0; i < count; ++i) {
    const std::string& name = clusters[static_cast<size_t>(i)].name;
    if (!name.empty() && std::equal(name.begin(), name.end(), which.begin(), which.end(), same_letter)) return i;
  }
  return -1;
}

int quietest_of(const std::vector<int>& candidates, const std::map<int, std::vector<int>>& siblings,
                const std::map<int, CpuTimes>& before, const std::map<int, CpuTimes>& after) {
  const auto ticks_of = [&](int cpu) -> int64_t {
    const auto first = before.find(cpu), last = after.find(cpu);
    if (first == before.end() || last == after.end()) return 0;
    return last->second.busy - first->second.busy + last->second.stolen - first->second.stolen;
  };
  int best = -1;
  int64_t least = INT64_MAX;
  for (const int cpu : candidates) {
    int64_t busy = ticks_of(cpu);
    if (const auto others = siblings.find(cpu); others != siblings.end())
      for (const int sibling : others->second) busy += ticks_of(sibling);
    if (busy <= least) {
      least = busy;
      best = cpu;
    }
  }
  return best;
}

int cpu_to_measure_on(const SystemFiles& files, const Topology& topology, const std::vector<int>& allowed) {
  const std::vector<int> candidates = fastest_of(topology, allowed);
  if (candidates.size() < 2) return candidates.empty() ? -1 : candidates.front();
  std::map<int, std::vector<int>> siblings;
  for (const int cpu : candidates) siblings[cpu] = smt_siblings(files, cpu);
  const std::map<int, CpuTimes> before = cpu_times(files);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return quietest_of(candidates, siblings, before, cpu_times(files));
}

Pin::Pin(int cpu) : Pin(cpu < 0 ? std::vector<int>() : std::vector<int>{cpu}) {}

Pin::Pin(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  before_ = allowed_cpus();
  held_ = !before_.empty() && set_affinity(cpus);
}

Pin::~Pin() {
  if (held_) set_affinity(before_);
}

}  // namespace tally
