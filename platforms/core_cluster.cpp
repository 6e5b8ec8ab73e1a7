#include "tally/platforms/core_cluster.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <tuple>

#if defined(__linux__)
#include <sched.h>
#endif

namespace tally {
namespace {

std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "0x410fd0b1", "1024", "32K"; 0 where it is no number.
int64_t number_of(const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 0);
  if (end == text.c_str() || value < 0 || value > (1LL << 40)) return 0;
  return *end == 'K' ? value << 10 : *end == 'M' ? value << 20 : value;
}

/// Arm's cores by the part number in midr_el1 (implementer 0x41), those that the shipped machine files are of and their
/// neighbours.
std::string core_name(int64_t midr) {
  if ((midr >> 24 & 0xff) != 0x41) return "";
  static const std::map<int64_t, const char*> kParts{
      {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"},  {0xd07, "Cortex-A57"},
      {0xd08, "Cortex-A72"},  {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"},  {0xd0b, "Cortex-A76"},
      {0xd0d, "Cortex-A77"},  {0xd41, "Cortex-A78"},  {0xd44, "Cortex-X1"},   {0xd46, "Cortex-A510"},
      {0xd47, "Cortex-A710"}, {0xd48, "Cortex-X2"},   {0xd4d, "Cortex-A715"}, {0xd4e, "Cortex-X3"},
      {0xd80, "Cortex-A520"}, {0xd81, "Cortex-A720"}, {0xd82, "Cortex-X4"}};
  const auto part = kParts.find(midr >> 4 & 0xfff);
  return part == kParts.end() ? "" : part->second;
}

int sharers(const std::string& list) {
  int count = 0;
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    const std::string range = list.substr(at, comma - at);
    const size_t dash = range.find('-');
    count += dash == std::string::npos ? 1 : static_cast<int>(number_of(range.substr(dash + 1)) - number_of(range)) + 1;
    at = comma + 1;
  }
  return count;
}

std::vector<Cache> caches_of(const std::string& cpu_folder) {
  std::vector<Cache> caches;
  for (int i = 0; i < 16; ++i) {
    const std::string index = cpu_folder + "/cache/index" + std::to_string(i);
    const std::string level = line_of(index + "/level"), type = line_of(index + "/type");
    if (level.empty()) break;
    Cache cache;
    cache.level = static_cast<int>(number_of(level));
    cache.kind = type == "Data" ? CacheKind::data : type == "Instruction" ? CacheKind::instruction : CacheKind::unified;
    cache.bytes = number_of(line_of(index + "/size"));
    cache.line_bytes = static_cast<int>(number_of(line_of(index + "/coherency_line_size")));
    cache.shared_by = sharers(line_of(index + "/shared_cpu_list"));
    cache.ways = static_cast<int>(number_of(line_of(index + "/ways_of_associativity")));
    if (cache.bytes > 0) caches.push_back(cache);
  }
  std::stable_sort(caches.begin(), caches.end(), [](const Cache& a, const Cache& b) { return a.level < b.level; });
  return caches;
}

}  // namespace

std::vector<CoreCluster> core_clusters(const std::vector<int>& allowed, const std::string& root) {
  std::map<std::tuple<int64_t, int64_t, int64_t>, CoreCluster> found;  // by part, capacity and frequency
  for (const int cpu : allowed) {
    const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    const int64_t midr = number_of(line_of(folder + "/regs/identification/midr_el1"));
    const int64_t capacity = number_of(line_of(folder + "/cpu_capacity"));
    const int64_t khz = number_of(line_of(folder + "/cpufreq/cpuinfo_max_freq"));
    CoreCluster& cluster = found[{midr >> 4 & 0xfff, capacity, khz}];
    if (cluster.cpus.empty()) {
      cluster.name = core_name(midr);
      cluster.capacity = capacity;
      cluster.max_hz = khz * 1000;
      cluster.caches = caches_of(folder);
    }
    cluster.cpus.push_back(cpu);
  }
  std::vector<CoreCluster> clusters;
  for (auto& [key, cluster] : found) clusters.push_back(std::move(cluster));
  std::stable_sort(clusters.begin(), clusters.end(), [](const CoreCluster& a, const CoreCluster& b) {
    return std::tie(a.capacity, a.max_hz) > std::tie(b.capacity, b.max_hz);
  });
  return clusters;
}

std::vector<int> affinity() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
  }
#endif
  return cpus;
}

bool set_affinity(const std::vector<int>& cpus) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus)
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  return !cpus.empty() && sched_setaffinity(0, sizeof(set), &set) == 0;
#else
  return cpus.empty();
#endif
}

}  // namespace tally
