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

TEST_CASE("topology: cores that tell who they are, each kind with caches of its own") {
  const SystemTree tree;
  tree.put("/sys/devices/system/cpu/online", "0-4");
  for (int cpu = 0; cpu < 5; ++cpu) {
    tree.put_cpu(cpu, "regs/identification/midr_el1", cpu == 4 ? "0x00000000411fd821" : "0x00000000411fd801");
    tree.put_cpu(cpu, "cpu_capacity", cpu == 4 ? "1024" : "250");
    tree.put_cpu(cpu, "cpufreq/cpuinfo_max_freq", cpu == 4 ? "3300000" : "2265600");
  }
  const auto put_cache = [&](int cpu, const char* file, const char* text) {
    tree.put_cpu(cpu, std::string("cache/index0/") + file, text);
  };
  put_cache(4, "level", "1");
  put_cache(4, "type", "Data");
  put_cache(4, "size", "64K");
  put_cache(4, "coherency_line_size", "64");
  put_cache(4, "ways_of_associativity", "4");
  put_cache(4, "shared_cpu_list", "4");
  const Topology t = read_topology(tree.files, {0, 1, 2, 3, 4});
  REQUIRE(t.clusters.size() == 2);
  CHECK(t.clusters[0].name == "Cortex-X4");
  CHECK(t.clusters[0].cpus == std::vector<int>{4});
  REQUIRE(t.clusters[0].caches.size() == 1);
  CHECK(t.clusters[0].caches[0].bytes == 65536);
  CHECK(t.clusters[0].caches[0].ways == 4);
  CHECK(t.clusters[0].caches[0].shared_by == 1);
  CHECK(t.clusters[1].name == "Cortex-A520");
  CHECK(t.clusters[1].cpus == std::vector<int>{0, 1, 2, 3});
  CHECK(t.clusters[1].caches.empty());
}

TEST_CASE("topology: unlike cores of one speed are two kinds; nonsense does no harm") {
  const SystemTree tree;
  tree.put("/sys/devices/system/cpu/online", "0-1");
  tree.put_cpu(0, "regs/identification/midr_el1", "0x410fd034");
  tree.put_cpu(1, "regs/identification/midr_el1", "0x410fd080");
  CHECK(read_topology(tree.files, {0, 1}).clusters.size() == 2);
  tree.put_cpu(0, "cpu_capacity", "banana");
  tree.put_cpu(0, "regs/identification/midr_el1", "-7");
  tree.put_cpu(1, "regs/identification/midr_el1", "0xffffffffffffffffffffff");
  tree.put_cpu(0, "cache/index0/level", "1");
  tree.put_cpu(0, "cache/index0/size", "banana");
  const Topology t = read_topology(tree.files, {0, 1});
  REQUIRE(t.clusters.size() == 1);
  CHECK(t.clusters[0].name.empty());
  CHECK(t.clusters[0].caches.empty());
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
