#include "tools/machine/calibration.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "tally/engine/profile.h"
#include "tally/platforms/affinity.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/memory.h"
#include "tally/platforms/threads.h"
#include "tools/output/machine.h"

namespace tally::tools {

namespace {

constexpr int64_t kBlockBytes = kStreamFloats * 4;
constexpr const char* kFormats[] = {"fp32", "fp16", "int8"};  // by Num

/// Repeats something `rounds` times in thread `thread`; returns how much (MACs, bytes, calls) that was.
using Loop = std::function<double(int thread, int64_t rounds)>;

struct Probe {
  std::string what;
  size_t cluster = 0;
  int threads = 1;
  Loop loop;
  Figure* figure = nullptr;
  bool is_time = false;  ///< ns a call instead of a rate
  int64_t bytes = 1;     ///< that a thread walks through in a round
  int64_t rounds = 1;
  std::vector<double> samples = {};
};

/// What a probe came to once.
struct Sample {
  double rate = 0;       ///< amount a second, of all threads together
  double ns = 0;         ///< from the first thread's begin to the last one's end
  bool together = true;  ///< threads ran at the same time, nearly all of it: none had to wait for a core
};

/// What the cores of a cluster run probes on.
class Cores {
 public:
  Cores(const Cluster& cluster, bool pin) : cluster_(cluster), pin_(pin) {}

  Sample sample(const Probe& probe) {
    if (pin_ && probe.threads == 1) set_affinity(cluster_.cpus);
    if (team_ == nullptr || team_threads_ != probe.threads) {
      team_ = std::make_unique<Team>(probe.threads);
      team_threads_ = probe.threads;
    }
    Team& team = *team_;
    struct alignas(64) Share {
      double amount = 0;
      int64_t begin = 0, end = 0;
    };
    std::vector<Share> shares(static_cast<size_t>(team.size()));
    team.run([&](int thread) noexcept {
      if (pin_ && probe.threads > 1) set_affinity({cluster_.cpus[static_cast<size_t>(thread)]});
      Share& share = shares[static_cast<size_t>(thread)];
      team.barrier(thread);
      share.begin = ticks();
      share.amount = probe.loop(thread, probe.rounds);
      share.end = ticks();
    });
    double amount = 0;
    int64_t first = shares[0].begin, last = shares[0].end, all_began = first, any_ended = last;
    for (const Share& share : shares) {
      amount += share.amount;
      first = std::min(first, share.begin);
      last = std::max(last, share.end);
      all_began = std::max(all_began, share.begin);
      any_ended = std::min(any_ended, share.end);
    }
    constexpr double kTogether = 0.75;
    const double ns = std::max(1.0, static_cast<double>(last - first) / ticks_per_ns());
    const bool together = static_cast<double>(any_ended - all_began) >= kTogether * static_cast<double>(last - first);
    return {amount / ns * 1e9, ns, together && team.size() == probe.threads};
  }

 private:
  const Cluster& cluster_;
  bool pin_;
  std::unique_ptr<Team> team_;
  int team_threads_ = 0;
};

int64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? int64_t{pages} * page : int64_t{1} << 30;
}

std::vector<Cache> data_caches(const Cluster& cluster) {
  std::vector<Cache> caches;
  for (const Cache& cache : cluster.caches.empty() ? topology().caches : cluster.caches)
    if (cache.kind != CacheKind::instruction) caches.push_back(cache);
  return caches;
}

MachineCluster outline(const Cluster& cores) {
  MachineCluster cluster;
  cluster.name = cores.name.empty() ? cpu_name() : cores.name;
  cluster.cores = static_cast<int>(cores.cpus.size());
  if (cores.max_khz > 0)
    cluster.clock_hz = {static_cast<double>(cores.max_khz) * 1e3, "measured", "cpufreq: cpuinfo_max_freq"};
  for (const Isa isa : built_isas())
    for (const char* format : kFormats)
      if (usable(isa)) cluster.peaks.push_back({format, std::string(name_of(isa)), {}});
  for (const Cache& cache : data_caches(cores)) {
    MemoryLevel level;
    level.name = "L" + std::to_string(cache.level);
    level.bytes = cache.bytes;
    level.line_bytes = cache.line_bytes;
    level.ways = cache.ways;
    level.shared_by = cache.shared_by;
    if (cache.level >= 1 && cache.level <= 3) cluster.levels.push_back(std::move(level));
  }
  cluster.levels.push_back({});
  cluster.levels.back().name = "dram";
  return cluster;
}

/// Everything that is to be measured; figures point into `file`, which must not change any more.
class Probes {
 public:
  Probes(MachineFile& file, const std::vector<Cluster>& clusters) : file_(file), clusters_(clusters) {
    const KernelTable& best = kernel_table(best_isa(), false);
    int64_t largest = 0;
    for (size_t c = 0; c < clusters.size(); ++c)
      largest = std::max(largest, std::max(bytes_of(c, file.clusters[c].levels.size() - 1, 1),
                                           bytes_of(c, file.clusters[c].levels.size() - 1, cores(c)) * cores(c)));
    memory_ = AlignedBuffer(largest);
    std::fill(reinterpret_cast<float*>(memory_.data()), reinterpret_cast<float*>(memory_.data()) + largest / 4, 0.25f);
    for (size_t c = 0; c < clusters.size(); ++c) {
      add_peaks(c);
      add_levels(c, best);
      add_call(c, best);
    }
  }

  std::vector<Probe> list;

 private:
  int cores(size_t cluster) const { return static_cast<int>(clusters_[cluster].cpus.size()); }

  void add_peaks(size_t c) {
    for (PeakRate& peak : file_.clusters[c].peaks) {
      const size_t num = static_cast<size_t>(std::find(kFormats, kFormats + 3, peak.dtype) - kFormats);
      const auto loop = kernel_table(*isa_from_name(peak.isa), false).mac_peak[num];
      if (loop == nullptr) continue;
      const Loop macs = [loop](int, int64_t rounds) { return static_cast<double>(loop(rounds)); };
      add(c, peak.dtype + " " + peak.isa, peak.macs_per_s, macs, macs);
    }
  }

  /// Bytes that each of `threads` threads walks through at level `level`.
  int64_t bytes_of(size_t c, size_t level, int threads) const {
    const std::vector<MemoryLevel>& levels = file_.clusters[c].levels;
    const auto share = [&](size_t l) {
      const int sharers = levels[l].shared_by > 0 ? levels[l].shared_by : l == 0 ? 1 : threads;
      return levels[l].bytes / std::min(threads, sharers);
    };
    if (level + 1 < levels.size()) return walked_bytes(share(level), level > 0 ? share(level - 1) : 0, 1);
    const int64_t last = level > 0 ? levels[level - 1].bytes : int64_t{1} << 20;
    const int64_t most = std::min<int64_t>(int64_t{256} << 20, memory_bytes() / 8);
    return walked_bytes(0, std::min(last, most / 4), threads);
  }

  void add_levels(size_t c, const KernelTable& kernels) {
    std::vector<MemoryLevel>& levels = file_.clusters[c].levels;
    for (size_t l = 0; l < levels.size(); ++l) {
      const auto walk = [&](auto run) {
        const auto at = [this, run](int64_t bytes) {
          return [this, run, bytes](int thread, int64_t rounds) {
            return run(reinterpret_cast<float*>(memory_.data() + thread * bytes), bytes / 4, rounds);
          };
        };
        return std::pair<Loop, Loop>(at(bytes_of(c, l, 1)), at(bytes_of(c, l, cores(c))));
      };
      const auto read = walk([&kernels](float* x, int64_t n, int64_t rounds) {
        kernels.stream_read(x, n, rounds);
        return static_cast<double>(n) * 4 * static_cast<double>(rounds);
      });
      const auto write = walk([&kernels](float* x, int64_t n, int64_t rounds) {
        kernels.stream_write(x, n, rounds);
        return static_cast<double>(n) * 4 * static_cast<double>(rounds);
      });
      const auto copy = walk([&kernels](float* x, int64_t n, int64_t rounds) {
        const int64_t half = n / 2 / kStreamFloats * kStreamFloats;
        kernels.stream_copy(x, x + half, half, rounds);
        return static_cast<double>(half) * 8 * static_cast<double>(rounds);
      });
      const std::pair<int64_t, int64_t> bytes{bytes_of(c, l, 1), bytes_of(c, l, cores(c))};
      add(c, levels[l].name + " read", levels[l].read, read.first, read.second, bytes);
      add(c, levels[l].name + " write", levels[l].write, write.first, write.second, bytes);
      add(c, levels[l].name + " copy", levels[l].copy, copy.first, copy.second, bytes);
    }
  }

  /// A kernel that has one vector to copy: what calling it costs.
  void add_call(size_t c, const KernelTable& kernels) {
    float* x = reinterpret_cast<float*>(memory_.data());
    Probe probe{"call", c, 1, nullptr, &file_.clusters[c].call_ns, true};
    probe.loop = [&kernels, x](int, int64_t rounds) {
      UnaryArgs args;
      args.x = x;
      args.y = x + kStreamFloats;
      args.n = kernels.geometry.lanes;
      for (int64_t r = 0; r < rounds; ++r) kernels.unary(args, 0, 1, nullptr);
      return static_cast<double>(rounds);
    };
    list.push_back(std::move(probe));
  }

  /// A figure by one core and, next in the list, by all; `bytes`: that a thread of either walks through.
  void add(size_t c, const std::string& what, Rate& rate, const Loop& one, const Loop& all,
           std::pair<int64_t, int64_t> bytes = {1, 1}) {
    list.push_back({what, c, 1, one, &rate.one_core, false, bytes.first});
    if (cores(c) > 1) list.push_back({what + ", all cores", c, cores(c), all, &rate.all_cores, false, bytes.second});
  }

  MachineFile& file_;
  const std::vector<Cluster>& clusters_;
  AlignedBuffer memory_;
};

/// Rounds so that a sample takes `sample_ns`: by one core, at its fastest of three tries, for where it has to wait for
/// other work it would seem long enough at once. All cores do per core what the one does.
void find_rounds(std::vector<Probe>& probes, std::vector<Cores>& cores, double sample_ns) {
  for (size_t i = 0; i < probes.size(); ++i) {
    Probe& probe = probes[i];
    if (probe.threads > 1) {
      probe.rounds =
          std::max<int64_t>(1, probes[i - 1].rounds * probes[i - 1].bytes / std::max<int64_t>(1, probe.bytes));
      continue;
    }
    const auto fastest = [&] {
      double ns = cores[probe.cluster].sample(probe).ns;
      for (int again = 0; again < 2; ++again) ns = std::min(ns, cores[probe.cluster].sample(probe).ns);
      return ns;
    };
    while (fastest() < sample_ns && probe.rounds < int64_t{1} << 40) probe.rounds *= 2;
  }
}

void settle(const std::vector<Probe>& probes) {
  for (const Probe& probe : probes) {
    if (probe.samples.empty()) continue;
    const Distribution d = distribution(probe.samples);
    Figure& figure = *probe.figure;
    figure.value = probe.is_time ? d.p10 : d.p90;
    figure.source = "measured";
    figure.p10 = d.p10;
    figure.median = d.median;
    figure.p90 = d.p90;
    figure.samples = d.samples;
  }
}

}  // namespace

int64_t walked_bytes(int64_t bytes, int64_t before, int sharers) {
  double walked = 0;
  if (bytes <= 0)
    walked = 4.0 * static_cast<double>(before) / sharers;
  else if (before <= 0)
    walked = static_cast<double>(bytes) / sharers / 2;
  else
    walked = std::sqrt(static_cast<double>(before) * (static_cast<double>(bytes) / sharers));
  return std::max(2 * kBlockBytes, static_cast<int64_t>(walked) / (2 * kBlockBytes) * (2 * kBlockBytes));
}

MachineFile calibrate(const CalibrationOptions& options, const std::function<void(const std::string&)>& progress) {
  const std::vector<int> allowed = allowed_cpus();
  const std::vector<Cluster> clusters = clusters_within(topology(), allowed.empty() ? std::vector<int>{0} : allowed);
  MachineFile file;
  file.name = file.cpu = cpu_name();
  utsname system{};
  if (uname(&system) == 0) file.architecture = system.machine;
  for (const Cluster& cluster : clusters) file.clusters.push_back(outline(cluster));
  Probes probes(file, clusters);

  std::vector<Cores> cores;
  for (const Cluster& cluster : clusters) cores.emplace_back(cluster, clusters.size() > 1);
  progress("finding sample sizes");
  find_rounds(probes.list, cores, options.sample_ns);
  const int64_t begin = now_ns();
  for (int round = 0; round < options.most; ++round) {
    const double elapsed_s = static_cast<double>(now_ns() - begin) * 1e-9;
    if (round >= options.least && elapsed_s > options.seconds) break;
    progress(std::to_string(probes.list.size()) + " figures, sample " + std::to_string(round + 1));
    for (Probe& probe : probes.list) {
      const Sample sample = cores[probe.cluster].sample(probe);
      if (sample.together) probe.samples.push_back(probe.is_time ? 1e9 / sample.rate : sample.rate);
    }
  }
  if (clusters.size() > 1) set_affinity(allowed);
  settle(probes.list);
  return file;
}

}  // namespace tally::tools
