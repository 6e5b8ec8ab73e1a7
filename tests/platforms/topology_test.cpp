#include "tally/platforms/topology.h"

#include <doctest/doctest.h>

#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("topology: a phone's clusters, the fastest first") {
  const Phone phone;
  const Topology t = read_topology(phone.files, {0, 1, 2, 3, 4, 5});
  REQUIRE(t.clusters.size() == 3);
  CHECK(t.clusters[0].cpus == std::vector<int>{7});
  CHECK(t.clusters[0].capacity == 1024);
  CHECK(t.clusters[0].max_khz == 2900000);
  CHECK(t.clusters[1].cpus == std::vector<int>{4, 5, 6});
  CHECK(t.clusters[2].cpus == std::vector<int>{0, 1, 2, 3});
  CHECK(t.logical_cpus == 8);
  CHECK(t.allowed_cpus == 6);
}

TEST_CASE("topology: equal cores are one cluster, two threads a core are seen") {
  const Laptop laptop;
  const Topology t = read_topology(laptop.files, {0, 1, 2, 3});
  REQUIRE(t.clusters.size() == 1);
  CHECK(t.clusters[0].capacity == 0);
  CHECK(t.clusters[0].max_khz == 4200000);
  CHECK(t.physical_cores == 2);
  CHECK(smt_siblings(laptop.files, 2) == std::vector<int>{3});
  const Pi4 pi;
  CHECK(smt_siblings(pi.files, 2).empty());
}

TEST_CASE("topology: favoured cores are of one kind, efficient ones of another") {
  const SystemTree tree;
  tree.put("/sys/devices/system/cpu/online", "0-3");
  const char* khz[] = {"4800000", "5000000", "3800000", "5000000"};
  for (int cpu = 0; cpu < 4; ++cpu) tree.put_cpu(cpu, "cpufreq/cpuinfo_max_freq", khz[cpu]);
  const Topology t = read_topology(tree.files, {0, 1, 2, 3});
  REQUIRE(t.clusters.size() == 2);
  CHECK(t.clusters[0].cpus == std::vector<int>{0, 1, 3});
  CHECK(t.clusters[0].max_khz == 5000000);
  CHECK(t.clusters[1].cpus == std::vector<int>{2});
}

TEST_CASE("topology: caches of sysfs, by level") {
  const SystemTree tree;
  const auto put = [&](int index, const char* level, const char* type, const char* size, const char* shared) {
    const std::string at = "cache/index" + std::to_string(index) + "/";
    tree.put_cpu(1, at + "level", level);
    tree.put_cpu(1, at + "type", type);
    tree.put_cpu(1, at + "size", size);
    tree.put_cpu(1, at + "coherency_line_size", "64");
    tree.put_cpu(1, at + "shared_cpu_list", shared);
  };
  put(0, "3", "Unified", "32M", "0-3,8-11");
  put(1, "1", "Data", "48K", "1");
  const Topology t = read_topology(tree.files, {1});
  REQUIRE(t.caches.size() == 2);
  CHECK(t.cache_source == "sysfs");
  CHECK(t.data_cache_bytes(1) == 48 * 1024);
  CHECK(t.data_cache_bytes(3) == 32 << 20);
  CHECK(t.data_cache_bytes(2) == 0);
  CHECK(t.caches[1].shared_by == 8);
}

TEST_CASE("topology: a container that shows nothing has one cluster of what is allowed") {
  const SystemTree tree;
  const Topology t = read_topology(tree.files, {2, 3});
  CHECK(t.logical_cpus == 2);
  CHECK(t.physical_cores == 0);
  CHECK(t.caches.empty());
  REQUIRE(t.clusters.size() == 1);
  CHECK(t.clusters[0].cpus == std::vector<int>{2, 3});
  CHECK(read_topology(tree.files, {}).logical_cpus == 1);
}

TEST_CASE("topology: of this machine") {
  const Topology& t = topology();
  CHECK(t.allowed_cpus >= 1);
  CHECK(t.allowed_cpus <= t.logical_cpus);
  REQUIRE(!t.clusters.empty());
  size_t cpus = 0;
  for (const Cluster& cluster : t.clusters) cpus += cluster.cpus.size();
  CHECK(cpus == static_cast<size_t>(t.logical_cpus));
}
