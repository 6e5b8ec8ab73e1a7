// Nanoseconds a time step of RNN, LSTM and GRU, one thread, by instruction set:
//   tally_recurrent_steps [--isa NAME]... [--repeats N] all|elman|lstm|gru...
// Each net runs as a stream (T = 1, state kept from step to step) and over sequences of 100 steps, in turn with the peak
// kernel, by whose rate in the same moment a time is scaled to the best rate of the run: what the machine's other load and
// clock do falls on both. `weights` is the rate at which the packed weights are read in the fastest stream.
#include "tally/platforms/kernels/pack_recurrent.h"
#include "tools/bench/subject.h"

namespace {

using namespace tally;
using namespace tally::bench;

constexpr double kSampleNs = 60e3;
constexpr int64_t kSteps = 100;

struct Net {
  RecurrentCell cell;
  const char* name;
  int64_t I, H;
  double best_stream, best_sequence;  ///< ns a step of the fastest engine known, on a Zen 4 core at 3.67 GHz
};

constexpr RecurrentCell kLstm = RecurrentCell::lstm, kGru = RecurrentCell::gru, kElman = RecurrentCell::elman;
// clang-format off
constexpr Net kNets[] = {
    {kLstm, "lstm", 1, 8, 51, 221},      {kLstm, "lstm", 1, 16, 75, 254},       {kLstm, "lstm", 1, 32, 174, 372},
    {kLstm, "lstm", 1, 64, 630, 918},    {kLstm, "lstm", 40, 128, 3244, 3120},  {kLstm, "lstm", 256, 256, 21700, 16400},
    {kGru, "gru", 1, 8, 41, 258},        {kGru, "gru", 1, 16, 58, 280},         {kGru, "gru", 1, 32, 129, 370},
    {kGru, "gru", 1, 64, 466, 822},      {kGru, "gru", 40, 128, 2419, 2475},    {kGru, "gru", 256, 256, 16500, 11800},
    {kElman, "elman", 1, 8, 54, 212},    {kElman, "elman", 1, 16, 80, 189},     {kElman, "elman", 1, 32, 154, 229},
    {kElman, "elman", 1, 64, 321, 427},  {kElman, "elman", 40, 128, 1224, 1216},
    {kElman, "elman", 256, 256, 6582, 5326}};
// clang-format on

struct Subject {
  Net net;
  std::vector<float> w, r, bias, x, h, c, y;
  AlignedBuffer packed, packed_bias, state;
  int32_t turn = 0;
  RecurrentArgs args;
  const KernelTable* kernels;

  static void fill(std::vector<float>& v, size_t n, float scale, uint32_t seed) {
    v.resize(n);
    for (float& f : v) {
      seed = seed * 1664525u + 1013904223u;
      f = (static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f) * scale;
    }
  }

  Subject(const Net& n, const KernelTable& table) : net(n), kernels(&table) {
    const int64_t gates = n.cell == kLstm ? 4 : n.cell == kGru ? 3 : 1;
    const auto columns = static_cast<size_t>(gates * n.H);
    const float scale = 0.5f;
    fill(w, columns * static_cast<size_t>(n.I), scale, 1);
    fill(r, columns * static_cast<size_t>(n.H), scale / static_cast<float>(n.H) * 8, 2);
    fill(bias, columns, scale, 3);
    fill(x, static_cast<size_t>(n.I * kSteps), 1, 4);
    y.resize(static_cast<size_t>(n.H * kSteps));
    args.cell = n.cell;
    args.B = 1;
    args.I = n.I;
    args.H = n.H;
    args.lanes = recurrent_lanes(n.H, table.geometry);
    args.padded = (n.H + args.lanes - 1) / args.lanes * args.lanes;
    args.x_step = n.I;
    args.y_step = n.H;
    packed = AlignedBuffer(static_cast<size_t>(recurrent_weight_elements(args)) * 4);
    packed_bias = AlignedBuffer(static_cast<size_t>(recurrent_bias_elements(args)) * 4);
    state = AlignedBuffer(static_cast<size_t>(3 * args.padded) * 4);
    std::memset(state.data(), 0, state.size());
    const RecurrentWeights raw{w.data(), r.data(), bias.data(), nullptr};
    pack_recurrent(args, raw, table.geometry, reinterpret_cast<float*>(packed.data()));
    pack_recurrent_bias(args, raw, reinterpret_cast<float*>(packed_bias.data()));
    args.w = reinterpret_cast<float*>(packed.data());
    args.bias = reinterpret_cast<float*>(packed_bias.data());
    args.h = reinterpret_cast<float*>(state.data());
    args.c = args.h + 2 * args.padded;
    args.y = y.data();
    args.alternate = packed.size() > 24 * 1024;
  }

  void stream(int64_t steps) {
    args.turn = &turn;
    args.T = 1;
    for (int64_t i = 0; i < steps; ++i) {
      args.x = x.data() + i % kSteps * net.I;
      kernels->recurrent(args, 0, 1, nullptr);
    }
  }
  void sequences(int64_t steps) {
    args.turn = nullptr;
    args.T = kSteps;
    args.x = x.data();
    for (int64_t i = 0; i < steps; i += kSteps) kernels->recurrent(args, 0, 1, nullptr);
  }
};

double peak_rate(const KernelTable& kernels) {
  const int64_t begin = ticks();
  const int64_t lanes = kernels.fma_peak(2000);
  return static_cast<double>(lanes) / elapsed_ns(begin);
}

struct Sample {
  double ns, peak;
};

void measure(Isa isa, const std::vector<std::string>& names, int repeats) {
  const KernelTable& kernels = kernel_table(isa, false);
  std::printf("%s\n  %-18s %9s %9s %7s %9s %9s %7s %9s\n", std::string(name_of(isa)).c_str(), "net", "T=1 ns", "scaled",
              "/best", "T=100 ns", "scaled", "/best", "GB/s");
  for (const Net& net : kNets) {
    bool wanted = false;
    for (const std::string& name : names) wanted = wanted || name == "all" || name == net.name;
    if (!wanted) continue;
    Subject subject(net, kernels);
    std::vector<Sample> samples[2];
    double best_peak = 0;
    for (int mode = 0; mode < 2; ++mode) {
      const auto run = [&](int64_t steps) { mode == 0 ? subject.stream(steps) : subject.sequences(steps); };
      run(4 * kSteps);
      int64_t begin = ticks();
      run(4 * kSteps);
      const double ns = elapsed_ns(begin) / (4 * kSteps);
      const int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(kSampleNs / ns / kSteps)) * kSteps;
      for (int r = 0; r < repeats; ++r) {
        const double before = peak_rate(kernels);
        run(kSteps);
        begin = ticks();
        run(steps);
        const double each = elapsed_ns(begin) / static_cast<double>(steps);
        const double peak = std::min(before, peak_rate(kernels));
        best_peak = std::max({best_peak, before, peak});
        samples[mode].push_back({each, peak});
      }
    }
    double least[2], scaled[2];
    for (int mode = 0; mode < 2; ++mode) {
      least[mode] = scaled[mode] = 1e30;
      std::vector<double> all;
      for (const Sample& s : samples[mode]) {
        least[mode] = std::min(least[mode], s.ns);
        all.push_back(s.ns * s.peak / best_peak);
      }
      scaled[mode] = distribution(std::move(all)).p10;
    }
    const std::string name = std::string(net.name) + " " + std::to_string(net.I) + "->" + std::to_string(net.H);
    std::printf("  %-18s %9.1f %9.1f %7.2f %9.1f %9.1f %7.2f %9.1f\n", name.c_str(), least[0], scaled[0],
                least[0] / net.best_stream, least[1], scaled[1], least[1] / net.best_sequence,
                static_cast<double>(subject.packed.size()) / least[0]);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, "tally_recurrent_steps", 200, measure); }
