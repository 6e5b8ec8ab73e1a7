#include "tally/platforms/topology.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tally {
namespace {

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
    }
  }
#endif
  return cpus;
}

/// First line of a file; empty if there is none.
std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

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

/// CPUs in a list such as "0-3,8": 6.
int count_of(const std::string& list) {
  int count = 0;
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    const std::string range = list.substr(at, comma - at);
    const size_t dash = range.find('-');
    count += dash == std::string::npos ? 1 : static_cast<int>(size_of(range.substr(dash + 1)) - size_of(range)) + 1;
    at = comma + 1;
  }
  return count;
}

std::vector<Cache> caches_from_sysfs(int cpu) {
  std::vector<Cache> caches;
  const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index";
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
    cache.shared_by = count_of(line_of(index + "/shared_cpu_list"));
    cache.ways = static_cast<int>(size_of(line_of(index + "/ways_of_associativity")));
    if (cache.bytes > 0) caches.push_back(cache);
  }
  return caches;
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
int physical_cores(const std::vector<int>& cpus) {
  std::set<std::pair<std::string, std::string>> cores;
  for (const int cpu : cpus) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    const std::string core = line_of(folder + "core_id");
    if (core.empty()) return 0;
    cores.emplace(line_of(folder + "physical_package_id"), core);
  }
  return static_cast<int>(cores.size());
}

Topology find() {
  Topology t;
  t.logical_cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const std::vector<int> cpus = allowed_cpus();
  t.allowed_cpus = cpus.empty() ? t.logical_cpus : static_cast<int>(cpus.size());
  if (const int online = count_of(line_of("/sys/devices/system/cpu/online")); online > 0) t.logical_cpus = online;
  t.physical_cores = physical_cores(cpus);
  t.caches = caches_from_sysfs(cpus.empty() ? 0 : cpus.front());
  if (!t.caches.empty()) t.cache_source = "sysfs";
#if defined(__x86_64__)
  if (t.caches.empty()) {
    t.caches = caches_from_cpuid();
    if (!t.caches.empty()) t.cache_source = "cpuid";
  }
#endif
  std::stable_sort(t.caches.begin(), t.caches.end(), [](const Cache& a, const Cache& b) { return a.level < b.level; });
  return t;
}

}  // namespace

int64_t Topology::data_cache_bytes(int level) const {
  for (const Cache& cache : caches) {
    if (cache.level == level && cache.kind != CacheKind::instruction) return cache.bytes;
  }
  return 0;
}

const Topology& topology() {
  static const Topology found = find();
  return found;
}

}  // namespace tally
