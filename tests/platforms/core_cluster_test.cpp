#include "tally/platforms/core_cluster.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tally {
namespace {

/// A /sys of our own.
struct FakeSystem {
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("tally_clusters_" + std::to_string(::getpid()));
  FakeSystem() { std::filesystem::remove_all(root); }
  ~FakeSystem() { std::filesystem::remove_all(root); }
  void set(int cpu, const std::string& file, const std::string& text) const {
    const auto path = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
};

TEST_CASE("core clusters: a phone's big and little cores, fastest first") {
  const FakeSystem fake;
  for (const int cpu : {0, 1, 2, 3, 4}) {
    const bool big = cpu >= 4;
    fake.set(cpu, "regs/identification/midr_el1", big ? "0x00000000411fd821" : "0x00000000411fd801");
    fake.set(cpu, "cpu_capacity", big ? "1024" : "250");
    fake.set(cpu, "cpufreq/cpuinfo_max_freq", big ? "3300000" : "2265600");
  }
  fake.set(4, "cache/index0/level", "1");
  fake.set(4, "cache/index0/type", "Data");
  fake.set(4, "cache/index0/size", "64K");
  fake.set(4, "cache/index0/coherency_line_size", "64");
  fake.set(4, "cache/index0/ways_of_associativity", "4");
  fake.set(4, "cache/index0/shared_cpu_list", "4");
  const auto clusters = core_clusters({0, 1, 2, 3, 4}, fake.root.string());
  REQUIRE(clusters.size() == 2);
  CHECK(clusters[0].name == "Cortex-X4");
  CHECK(clusters[0].cpus == std::vector<int>{4});
  CHECK(clusters[0].max_hz == 3'300'000'000);
  REQUIRE(clusters[0].caches.size() == 1);
  CHECK(clusters[0].caches[0].bytes == 65536);
  CHECK(clusters[0].caches[0].ways == 4);
  CHECK(clusters[0].caches[0].shared_by == 1);
  CHECK(clusters[1].name == "Cortex-A520");
  CHECK(clusters[1].cpus == std::vector<int>{0, 1, 2, 3});
  CHECK(clusters[1].capacity == 250);
}

TEST_CASE("core clusters: a system that tells nothing has one cluster; nonsense does no harm") {
  const FakeSystem fake;
  CHECK(core_clusters({0, 1}, fake.root.string()).size() == 1);
  CHECK(core_clusters({}, fake.root.string()).empty());
  fake.set(0, "cpu_capacity", "banana");
  fake.set(0, "regs/identification/midr_el1", "-7");
  fake.set(0, "cache/index0/level", "1");
  fake.set(0, "cache/index0/size", "99999999999999999999K");
  const auto clusters = core_clusters({0, 1}, fake.root.string());
  REQUIRE(clusters.size() == 1);
  CHECK(clusters[0].cpus.size() == 2);
  CHECK(clusters[0].caches.empty());
}

TEST_CASE("core clusters: affinity is what was set") {
  const std::vector<int> before = affinity();
  if (before.empty()) return;
  REQUIRE(set_affinity({before.front()}));
  CHECK(affinity() == std::vector<int>{before.front()});
  CHECK_FALSE(set_affinity({}));
  CHECK(set_affinity(before));
  CHECK(affinity() == before);
}

}  // namespace
}  // namespace tally
