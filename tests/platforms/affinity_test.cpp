#include "tally/platforms/affinity.h"

#include <doctest/doctest.h>

#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("affinity: a pin holds one CPU and gives back what was there") {
  const std::vector<int> before = allowed_cpus();
  if (before.empty()) {
    MESSAGE("skipped: the system does not tell which CPUs are allowed");
    return;
  }
  {
    const Pin pin(before.back());
    REQUIRE(pin.holds());
    CHECK(allowed_cpus() == std::vector<int>{before.back()});
    {
      const Pin nothing(-1);
      CHECK_FALSE(nothing.holds());
    }
    CHECK(allowed_cpus().size() == 1);
  }
  CHECK(allowed_cpus() == before);
  const Pin impossible(1 << 20);
  CHECK_FALSE(impossible.holds());
  CHECK_FALSE(set_affinity({}));
  CHECK_FALSE(set_affinity({-1}));
  {
    const Pin all(before);
    CHECK(all.holds());
    const Pin none{std::vector<int>()};
    CHECK_FALSE(none.holds());
  }
  CHECK(allowed_cpus() == before);
}

TEST_CASE("affinity: /proc/stat, old and new") {
  const SystemTree tree;
  tree.put("/proc/stat", "cpu  10 1 5 100 4 2 3 7 0 0\ncpu0 10 1 5 100 4 2 3 7 0 0\ncpu12 1 1 1 9\nintr 5");
  const auto times = cpu_times(tree.files);
  REQUIRE(times.size() == 3);
  CHECK(times.at(-1).busy == 21);
  CHECK(times.at(0).busy == 10 + 1 + 5 + 2 + 3);
  CHECK(times.at(0).idle == 104);
  CHECK(times.at(0).stolen == 7);
  CHECK(times.at(12).busy == 3);
  CHECK(busy_share({10, 90, 0}, {40, 160, 0}) == doctest::Approx(0.3));
  CHECK(busy_share({10, 90, 0}, {10, 90, 0}) == 0);
  CHECK(cpu_times(SystemTree().files).empty());
}

TEST_CASE("affinity: a phone's clusters, as far as they are allowed, and their names") {
  const Phone phone;
  Topology t = read_topology(phone.files, {});
  const std::vector<Cluster> some = clusters_within(t, {0, 1, 5});
  REQUIRE(some.size() == 2);
  CHECK(some[0].cpus == std::vector<int>{5});
  CHECK(some[0].capacity == 790);
  CHECK(some[1].cpus == std::vector<int>{0, 1});
  CHECK(clusters_within(t, {}).empty());
  REQUIRE(clusters_within(t, {99}).size() == 1);
  CHECK(clusters_within(t, {99})[0].cpus == std::vector<int>{99});

  t.clusters[2].name = "Cortex-A55";
  CHECK(cluster_named(t.clusters, "big") == 0);
  CHECK(cluster_named(t.clusters, "little") == 2);
  CHECK(cluster_named(t.clusters, "1") == 1);
  CHECK(cluster_named(t.clusters, "cortex-a55") == 2);
  for (const char* unknown : {"3", "-1", "", "cortex-a5", "cortex-a555", "1x", "middle", "99999999999999999999"})
    CHECK(cluster_named(t.clusters, unknown) == -1);
  const std::vector<Cluster> equal(1);
  CHECK(cluster_named(equal, "big") == -1);
  CHECK(cluster_named(equal, "0") == 0);
}

TEST_CASE("affinity: the quietest of the fastest allowed CPUs") {
  const Phone phone;
  const Topology t = read_topology(phone.files, {});
  CHECK(fastest_of(t, {0, 1, 4, 5, 7}) == std::vector<int>{7});
  CHECK(fastest_of(t, {0, 1, 4, 5}) == std::vector<int>{4, 5});
  CHECK(fastest_of(t, {2}) == std::vector<int>{2});
  CHECK(fastest_of(t, {}).empty());

  const std::map<int, CpuTimes> before{{0, {0, 0, 0}}, {1, {0, 0, 0}}, {2, {0, 0, 0}}, {3, {0, 0, 0}}};
  const std::map<int, CpuTimes> after{{0, {0, 9, 0}}, {1, {5, 4, 0}}, {2, {1, 8, 0}}, {3, {1, 8, 0}}};
  CHECK(quietest_of({0, 1, 2, 3}, {}, before, after) == 0);
  CHECK(quietest_of({0, 1, 2, 3}, {{0, {1}}, {1, {0}}, {2, {3}}, {3, {2}}}, before, after) == 3);
  CHECK(quietest_of({1, 2, 3}, {}, before, after) == 3);
  CHECK(quietest_of({1, 2}, {}, {}, {}) == 2);
  CHECK(quietest_of({}, {}, {}, {}) == -1);
  CHECK(cpu_to_measure_on(phone.files, t, {0, 1, 7}) == 7);
  CHECK(cpu_to_measure_on(phone.files, t, {4, 5}) == 5);
  CHECK(cpu_to_measure_on(phone.files, t, {}) == -1);
}
