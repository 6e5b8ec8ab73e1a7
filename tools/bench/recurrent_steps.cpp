// Nanoseconds a time step of RNN, LSTM and GRU, one thread, by instruction set:
//   tally_recurrent_steps [--isa NAME]... [--repeats N] all|elman|lstm|gru...
// Each net runs as a stream of single steps, by its bare kernel and through Context::step(), and over sequences of 100
// steps through Context::run(), in turn with the peak kernel, by whose rate in the same moment a time is scaled to the
// best rate of the run: what the machine's other load and clock do falls on both. GB/s: the rate at which a step reads
// its weights.
#include "tally/layers/builder.h"
#include "tally/platforms/kernels/pack_recurrent.h"
#include "tools/bench/subject.h"

namespace {

using namespace tally;
using namespace tally::bench;

constexpr double kSampleNs = 60e3;
constexpr int64_t kSteps = 100;
enum Mode : int { kKernel, kStream, kSequence };

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

/// One net: its bare kernel as a stream, and through contexts as a stream and as whole sequences.
struct Subject {
  Net net;
  const KernelTable* kernels;
  std::vector<float> w, r, bias, x, y;
  AlignedBuffer packed, packed_bias, state;
  int32_t turn = 0;
  RecurrentArgs args;
  std::unique_ptr<Context> stream, sequence;

  static std::vector<float> random(int64_t n, float scale, uint32_t seed) {
    std::vector<float> v(static_cast<size_t>(n));
    for (float& f : v) {
      seed = seed * 1664525u + 1013904223u;
      f = (static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f) * scale;
    }
    return v;
  }
  int64_t columns() const { return (net.cell == kLstm ? 4 : net.cell == kGru ? 3 : 1) * net.H; }

  Subject(const Net& n, Isa isa)
      : net(n),
        kernels(&kernel_table(isa, false)),
        w(random(columns() * n.I, 0.5f, 1)),
        r(random(columns() * n.H, 4.0f / static_cast<float>(n.H), 2)),
        bias(random(2 * columns(), 0.5f, 3)),
        x(random(kSteps * n.I, 1, 4)),
        y(static_cast<size_t>(n.H)) {
    make_kernel();
    stream = std::make_unique<Context>(make_model(isa, true));
    sequence = std::make_unique<Context>(make_model(isa, false));
    std::copy_n(x.begin(), n.I, stream->input<float>("x").begin());
    std::copy(x.begin(), x.end(), sequence->input<float>("x").begin());
  }

  void make_kernel() {
    const Geometry& g = kernels->geometry;
    args.cell = net.cell;
    args.T = args.B = 1;
    args.I = net.I;
    args.H = net.H;
    args.lanes = recurrent_lanes(net.H, g);
    args.padded = (net.H + args.lanes - 1) / args.lanes * args.lanes;
    packed = AlignedBuffer(recurrent_weight_elements(args) * 4);
    packed_bias = AlignedBuffer(recurrent_bias_elements(args) * 4);
    state = AlignedBuffer(3 * args.padded * 4);
    std::memset(state.data(), 0, state.size());
    const RecurrentWeights raw{w.data(), r.data(), bias.data(), bias.data() + columns()};
    pack_recurrent(args, raw, g, reinterpret_cast<float*>(packed.data()));
    pack_recurrent_bias(args, raw, reinterpret_cast<float*>(packed_bias.data()));
    args.w = reinterpret_cast<float*>(packed.data());
    args.bias = reinterpret_cast<float*>(packed_bias.data());
    args.h = reinterpret_cast<float*>(state.data());
    args.c = args.h + 2 * args.padded;
    args.y = y.data();
    args.turn = &turn;
    args.alternate = packed.size() > 24 * 1024;
  }

  Model make_model(Isa isa, bool one_step) const {
    Builder b;
    const auto in = b.named(b.input({kSteps, 1, net.I}), "x");
    const auto weights = b.constant({1, columns(), net.I}, w), recurrent = b.constant({1, columns(), net.H}, r);
    const auto biases = b.constant({1, 2 * columns()}, bias);
    Builder::RecurrentOptions options;
    options.linear_before_reset = net.cell == kGru;
    const auto out = net.cell == kLstm  ? b.lstm(in, weights, recurrent, biases, options)
                     : net.cell == kGru ? b.gru(in, weights, recurrent, biases, options)
                                        : b.rnn(in, weights, recurrent, biases, options);
    b.output(out.y);
    LoadOptions load;
    load.isa = isa;
    load.stream = one_step;
    return b.build(load);
  }

  void run(int mode, int64_t steps) {
    if (mode == kKernel) {
      for (int64_t i = 0; i < steps; ++i) {
        args.x = x.data() + i % kSteps * net.I;
        kernels->recurrent(args, 0, 1, nullptr);
      }
    } else if (mode == kStream) {
      for (int64_t i = 0; i < steps; ++i) stream->step();
    } else {
      for (int64_t i = 0; i < steps; i += kSteps) sequence->run();
    }
  }
};

double peak_rate(const KernelTable& kernels) {
  const int64_t begin = ticks();
  const int64_t lanes = kernels.fma_peak(2000);
  return static_cast<double>(lanes) / elapsed_ns(begin);
}

/// Least time and the 10th percentile scaled to the best peak rate, ns a step.
struct Result {
  double least = 1e30, scaled = 0;
};

Result time_mode(Subject& subject, int mode, int repeats) {
  subject.run(mode, 4 * kSteps);
  int64_t begin = ticks();
  subject.run(mode, 4 * kSteps);
  const double ns = elapsed_ns(begin) / (4 * kSteps);
  const int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(kSampleNs / ns / kSteps)) * kSteps;
  Result result;
  std::vector<double> weighted;
  double best_peak = 0;
  for (int r = 0; r < repeats; ++r) {
    const double before = peak_rate(*subject.kernels);
    subject.run(mode, kSteps);
    begin = ticks();
    subject.run(mode, steps);
    const double each = elapsed_ns(begin) / static_cast<double>(steps);
    const double after = peak_rate(*subject.kernels);
    best_peak = std::max({best_peak, before, after});
    result.least = std::min(result.least, each);
    weighted.push_back(each * std::min(before, after));
  }
  result.scaled = distribution(std::move(weighted)).p10 / best_peak;
  return result;
}

void measure(Isa isa, const std::vector<std::string>& names, int repeats) {
  std::printf("%s, ns a step: least, p10 scaled to the best peak, least over best known\n",
              std::string(name_of(isa)).c_str());
  std::printf("  %-16s %26s %26s %26s %9s\n", "net", "kernel T=1", "step() T=1", "run() T=100", "GB/s T=1");
  for (const Net& net : kNets) {
    const auto wanted = [&](const std::string& name) { return name == "all" || name == net.name; };
    if (std::none_of(names.begin(), names.end(), wanted)) continue;
    Subject subject(net, isa);
    Result results[3];
    for (int mode : {kKernel, kStream, kSequence}) results[mode] = time_mode(subject, mode, repeats);
    const std::string name = std::string(net.name) + " " + std::to_string(net.I) + "->" + std::to_string(net.H);
    std::printf("  %-16s", name.c_str());
    for (int mode : {kKernel, kStream, kSequence}) {
      const double best = mode == kSequence ? net.best_sequence : net.best_stream;
      std::printf(" %10.1f %9.1f %5.2f", results[mode].least, results[mode].scaled, results[mode].least / best);
    }
    std::printf(" %9.1f\n", static_cast<double>(subject.packed.size()) / results[kKernel].least);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, "tally_recurrent_steps", 200, measure); }
