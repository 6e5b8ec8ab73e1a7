#include "tally/platforms/topology.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tally/platforms/affinity.h"
#include "tally/platforms/arm_cores.h"

namespace tally {
namespace {

std::string cpu_folder(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu); }

/// "48K", "2M", "64" → bytes; 0 where it is no number.
int64_t size_of(const std::string& text) {
  int64_t value = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && value < (int64_t{1} << 40); ++i)
    value = value * 10 + (text[i] - '0');
  if (i < text.size() && text[i] == 'K') value <<= 10;
  if (i < text.size() && text[i] == 'M') value <<= 20;
  return value;
}

std::vector<Cache> caches_from_sysfs(const SystemFiles& files, int cpu) {
  std::vector<Cache> caches;
  const std::string folder = cpu_folder(cpu) + "/cache/index";
  const auto line_of = [&](const std::string& path) { return files.line(path).value_or(""); };
  for (int i = 0; i < 16; ++i) {
    const std::string index = folder + std::to_string(i);
    const std::string level = line_of(index + "/level");
    if (level.empty()) break;
    const std::string type = line_of(index + "/type");
    Cache cache;
    cache.level = static_cast<int>(size_of(level));
    cache.kind = type == "Data" ? CacheKind::data : type == "Instruction" ? CacheKind::instruction : CacheKind::unified;
    cache.bytes = size_of(line_of(index + "/size"));
    cache.line_bytes = static_cast<int>(size_of(line_of(index + "/coherency_line_size")));
    cache.shared_by = static_cast<int>(cpus_in(line_of(index + "/shared_cpu_list")).size());
    cache.ways = static_cast<int>(size_of(line_of(index + "/ways_of_associativity")));
    if (cache.bytes > 0) caches.push_back(cache);
  }
  std::stable_sort(caches.begin(), caches.end(), [](const Cache& a, const Cache& b) { return a.level < b.level; });
  return caches;
}

/// The Main ID Register of an ARM core, "0x00000000410fd0b1"; 0: the system does not tell.
uint64_t midr_of(const SystemFiles& files, int cpu) {
  const std::string text = files.line(cpu_folder(cpu) + "/regs/identification/midr_el1").value_or("");
  return text.starts_with("0x") ? std::strtoull(text.c_str(), nullptr, 16) : 0;
}

#if defined(__x86_64__)
/// Deterministic cache parameters: leaf 4 of Intel, 0x8000001d of AMD, same layout.
std::vector<Cache> caches_from_cpuid() {
  std::vector<Cache> caches;
  uint32_t a, b, c, d;
  uint32_t number = 4;
  if (uint32_t(__get_cpuid_max(0x80000000u, nullptr)) >= 0x8000001du) {
    __cpuid(0x80000001u, a, b, c, d);
    if (c >> 22 & 1) number = 0x8000001du;  // TopologyExtensions
  }
  if (number == 4 && __get_cpuid_max(0, nullptr) < 4) return caches;
  for (uint32_t i = 0; i < 16; ++i) {
    __cpuid_count(number, i, a, b, c, d);
    const uint32_t type = a & 31;
    if (type == 0) break;
    Cache cache;
    cache.level = static_cast<int>(a >> 5 & 7);
    cache.kind = type == 1 ? CacheKind::data : type == 2 ? CacheKind::instruction : CacheKind::unified;
    cache.line_bytes = static_cast<int>(b & 0xfff) + 1;
    cache.bytes = int64_t{cache.line_bytes} * ((b >> 12 & 0x3ff) + 1) * ((b >> 22) + 1) * (int64_t{c} + 1);
    cache.shared_by = static_cast<int>(a >> 14 & 0xfff) + 1;
    cache.ways = static_cast<int>(b >> 22) + 1;
    caches.push_back(cache);
  }
  return caches;
}
#endif

/// Distinct (package, core) pairs; 0 where the system does not tell.
int physical_cores(const SystemFiles& files, const std::vector<int>& cpus) {
  std::set<std::pair<std::string, std::string>> cores;
  for (const int cpu : cpus) {
    const std::string folder = cpu_folder(cpu) + "/topology/";
    const std::optional<std::string> core = files.line(folder + "core_id");
    if (!core) return 0;
    cores.emplace(files.line(folder + "physical_package_id").value_or(""), *core);
  }
  return static_cast<int>(cores.size());
}

/// Cores of one kind differ in clock, and with it in capacity, by a few per cent: the favoured ones of a package.
bool same_kind(double value, double of_fastest) { return value >= 0.9 * of_fastest; }

/// Cores tell who they are, or do not; capacity is the kernel's, from the device tree, or on x86 where cores differ;
/// elsewhere the clock tells cores apart.
std::vector<Cluster> clusters_of(const SystemFiles& files, const std::vector<int>& cpus) {
  struct Speed {
    int64_t capacity, khz;
    int cpu;
    std::string_view core;
  };
  std::vector<Speed> speeds;
  for (const int cpu : cpus)
    speeds.push_back({files.number(cpu_folder(cpu) + "/cpu_capacity").value_or(0),
                      files.number(cpu_folder(cpu) + "/cpufreq/cpuinfo_max_freq").value_or(0), cpu,
                      arm_core_name(midr_of(files, cpu))});
  std::stable_sort(speeds.begin(), speeds.end(), [](const Speed& a, const Speed& b) {
    return a.capacity != b.capacity ? a.capacity > b.capacity : a.khz > b.khz;
  });
  std::vector<Cluster> clusters;
  for (const Speed& speed : speeds) {
    const bool same =
        !clusters.empty() && clusters.back().name == speed.core &&
        (clusters.back().capacity > 0
             ? same_kind(static_cast<double>(speed.capacity), static_cast<double>(clusters.back().capacity))
             : same_kind(static_cast<double>(speed.khz), static_cast<double>(clusters.back().max_khz)));
    if (!same)
      clusters.push_back({speed.capacity, speed.khz, {}, std::string(speed.core), caches_from_sysfs(files, speed.cpu)});
    clusters.back().max_khz = std::max(clusters.back().max_khz, speed.khz);
    clusters.back().cpus.push_back(speed.cpu);
  }
  for (Cluster& cluster : clusters) std::sort(cluster.cpus.begin(), cluster.cpus.end());
  return clusters;
}

}  // namespace

int64_t Topology::data_cache_bytes(int level) const {
  for (const Cache& cache : caches) {
    if (cache.level == level && cache.kind != CacheKind::instruction) return cache.bytes;
  }
  return 0;
}

Topology read_topology(const SystemFiles& files, const std::vector<int>& allowed) {
  Topology t;
  std::vector<int> online = cpus_in(files.line("/sys/devices/system/cpu/online").value_or(""));
  if (online.empty()) online = allowed;
  if (online.empty()) {
    const auto count = files.of_this_machine() ? static_cast<int>(std::thread::hardware_concurrency()) : 1;
    for (int cpu = 0; cpu < std::max(1, count); ++cpu) online.push_back(cpu);
  }
  t.logical_cpus = static_cast<int>(online.size());
  t.allowed_cpus = allowed.empty() ? t.logical_cpus : static_cast<int>(allowed.size());
  t.physical_cores = physical_cores(files, allowed);
  t.caches = caches_from_sysfs(files, allowed.empty() ? 0 : allowed.front());
  if (!t.caches.empty()) t.cache_source = "sysfs";
#if defined(__x86_64__)
  if (t.caches.empty() && files.of_this_machine()) {
    t.caches = caches_from_cpuid();
    if (!t.caches.empty()) t.cache_source = "cpuid";
  }
#endif
  t.clusters = clusters_of(files, online);
  return t;
}

std::vector<int> smt_siblings(const SystemFiles& files, int cpu) {
  std::vector<int> siblings = cpus_in(files.line(cpu_folder(cpu) + "/topology/thread_siblings_list").value_or(""));
  siblings.erase(std::remove(siblings.begin(), siblings.end(), cpu), siblings.end());
  return siblings;
}

const Topology& topology() {
  static const Topology found = read_topology(system_files(), allowed_cpus());
  return found;
}

}  // namespace tally
