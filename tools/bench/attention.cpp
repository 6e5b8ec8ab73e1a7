// Attention beside the machine's multiply-accumulate peak, one thread: the core alone (scores, softmax, context) and
// with the four projections around it.
//   tally_attention [--isa NAME]... [--repeats N]
// Each repeat times the peak kernel and every subject in turn, as share_of_peak does; share = ideal MACs ÷ (time ·
// peak). `bytes a ns`: weights, keys and values over the time, for the decoding of one token, which is bound by them.
#include "tally/layers/registry.h"
#include "tools/bench/subject.h"

namespace {

using namespace tally;
using namespace tally::bench;

constexpr double kSampleNs = 300e3;

struct Subject {
  std::string name;
  std::unique_ptr<Context> context;
  double macs = 0, bytes = 0;
  int batch = 1;
  std::vector<double> shares, ns;
};

ValueInfo declared(std::string name, int64_t rows, int64_t width) {
  return {std::move(name), DType::f32, std::vector<Dim>{{1, ""}, {rows, ""}, {width, ""}}};
}

Tensor weights(int64_t rows, int64_t columns, uint32_t seed) {
  Tensor t(DType::f32, {rows, columns});
  for (float& x : t.mutable_values<float>()) {
    seed = seed * 1664525u + 1013904223u;
    x = (static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f) / 16;
  }
  return t;
}

/// T queries over M keys of D elements in `heads` heads. Keys and values come from the queries' own rows (M = T) or are
/// operands (a cache).
Graph make_graph(int64_t D, int64_t heads, int64_t T, int64_t M, bool projections) {
  Graph g;
  const auto node = [&](std::string op, std::vector<std::string> in, std::string out,
                        std::map<std::string, Attribute> attributes = {}) {
    g.nodes.push_back({out, std::move(op), "", "", std::move(in), {out}, std::move(attributes), 23});
  };
  std::vector<std::string> qkv = {"q", "k", "v"};
  if (projections) {
    g.inputs.push_back(declared("x", T, D));
    for (const char* name : {"q", "k", "v", "o"}) g.initializers[std::string("w") + name] = weights(D, D, 1);
    for (const std::string& name : qkv) node("MatMul", {"x", "w" + name}, name == "q" || M == T ? name : "new " + name);
  } else {
    g.inputs.push_back(declared("q", T, D));
  }
  if (!projections || M != T) {
    g.inputs.push_back(declared("k", M, D));
    g.inputs.push_back(declared("v", M, D));
  }
  node("Attention", qkv, projections ? "context" : "y", {{"q_num_heads", heads}, {"kv_num_heads", heads}});
  if (projections) node("MatMul", {"context", "wo"}, "y");
  g.outputs.push_back({"y", DType::undefined, {}});
  if (projections && M != T)
    for (const char* name : {"new k", "new v"}) g.outputs.push_back({name, DType::undefined, {}});
  return g;
}

Subject make_subject(std::string name, const Graph& graph, Isa isa) {
  Subject s;
  s.name = std::move(name);
  LoadOptions options;
  options.isa = isa;
  s.context = std::make_unique<Context>(CompiledModel(graph, registry(), options));
  uint32_t state = 1;
  for (const PlanInput& input : s.context->plan().inputs)
    for (float& x : s.context->input<float>(input.name)) {
      state = state * 1664525u + 1013904223u;
      x = static_cast<float>(state >> 8) / 16777216.0f;
    }
  s.macs = static_cast<double>(s.context->plan().estimate.totals.macs);
  s.bytes = static_cast<double>(s.context->plan().estimate.totals.bytes_compulsory);
  s.batch = runs_in(kSampleNs, *s.context);
  return s;
}

double peak_rate(const KernelTable& kernels, int64_t rounds) {
  const int64_t begin = ticks();
  const int64_t lanes = kernels.fma_peak(rounds);
  return static_cast<double>(lanes) / elapsed_ns(begin);
}

void measure(Isa isa, int repeats) {
  const KernelTable& kernels = kernel_table(isa, false);
  constexpr int64_t kRounds = 300'000;
  struct Case {
    int64_t D, heads, T, M;
  };
  std::vector<Subject> subjects;
  for (const Case& c : {Case{64, 4, 64, 64}, Case{256, 8, 128, 128}, Case{384, 6, 1500, 1500}, Case{384, 6, 1, 256}})
    for (const bool projections : {false, true})
      subjects.push_back(make_subject("d" + std::to_string(c.D) + " h" + std::to_string(c.heads) + " " +
                                          std::to_string(c.T) + "x" + std::to_string(c.M) +
                                          (projections ? " projected" : " core"),
                                      make_graph(c.D, c.heads, c.T, c.M, projections), isa));
  std::vector<double> peaks;
  for (int r = 0; r < repeats; ++r) {
    for (Subject& s : subjects) {
      s.context->run();
      const double before = peak_rate(kernels, kRounds / 10);
      const int64_t begin = ticks();
      for (int i = 0; i < s.batch; ++i) s.context->run();
      const double ns = elapsed_ns(begin) / s.batch;
      const double peak = (before + peak_rate(kernels, kRounds / 10)) / 2;
      peaks.push_back(peak);
      s.ns.push_back(ns);
      s.shares.push_back(s.macs / ns / peak);
    }
  }
  std::printf("%s: peak %.1f GMAC/s (median of %zu)\n", std::string(name_of(isa)).c_str(), distribution(peaks).median,
              peaks.size());
  std::printf("  %-28s %14s %12s %12s %8s %8s %10s\n", "subject", "MACs", "us median", "us min", "share", "p90",
              "B/ns");
  for (Subject& s : subjects) {
    const Distribution share = distribution(s.shares), ns = distribution(s.ns);
    std::printf("  %-28s %14.0f %12.2f %12.2f %8.3f %8.3f %10.1f\n", s.name.c_str(), s.macs, ns.median / 1e3,
                ns.min / 1e3, share.median, share.p90, s.bytes / ns.median);
  }
}

}  // namespace

int main(int argc, char** argv) {
  // No models: the subjects are its own.
  std::vector<char*> arguments(argv, argv + argc);
  static char none[] = "-";
  arguments.push_back(none);
  return bench_main(static_cast<int>(arguments.size()), arguments.data(), "tally_attention", 30,
                    [](Isa isa, const std::vector<std::string>&, int repeats) { measure(isa, repeats); });
}
