#pragma once
// What the benchmarks share: command line, models with filled inputs, a clock.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tally/layers/tally.h"
#include "tally/platforms/clock.h"

namespace tally::bench {

inline double elapsed_ns(int64_t begin) { return static_cast<double>(ticks() - begin) / ticks_per_ns(); }

/// The file's name; of a file `model.onnx` that of its folder.
inline std::string name_of_file(const std::string& file) {
  const std::filesystem::path path(file);
  return path.stem() == "model" ? path.parent_path().filename().string() : path.stem().string();
}

/// A context of the model for one thread on `isa`, its float inputs uniform in [0, 1).
inline std::unique_ptr<Context> load_filled(const std::string& file, Isa isa) {
  LoadOptions options;
  options.isa = isa;
  auto context = std::make_unique<Context>(Model::load(file, options));
  uint32_t state = 1;
  for (const PlanInput& input : context->plan().inputs)
    if (input.type.dtype == DType::f32)
      for (float& x : context->input<float>(input.name)) {
        state = state * 1664525u + 1013904223u;
        x = static_cast<float>(state >> 8) / 16777216.0f;
      }
  return context;
}

/// How many runs take about `ns`; at least 1.
inline int runs_in(double ns, Context& context) {
  for (int i = 0; i < 3; ++i) context.run();
  const int64_t begin = ticks();
  context.run();
  return std::max(1, static_cast<int>(ns / elapsed_ns(begin)));
}

/// The command line `[--isa NAME]... [--repeats N] MODEL.onnx...`: calls measure(isa, files, repeats) for each ISA, the
/// best usable one where none is named. Returns the exit code.
template <class Measure>
int bench_main(int argc, char** argv, const char* name, int repeats, Measure measure) {
  std::vector<Isa> isas;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
      const auto isa = isa_from_name(argv[++i]);
      if (!isa || !usable(*isa)) {
        std::fprintf(stderr, "%s is no usable instruction set here\n", argv[i]);
        return 4;
      }
      isas.push_back(*isa);
    } else if (std::strcmp(argv[i], "--repeats") == 0 && i + 1 < argc) {
      repeats = std::atoi(argv[++i]);
    } else {
      files.emplace_back(argv[i]);
    }
  }
  if (files.empty() || repeats < 1) {
    std::fprintf(stderr, "usage: %s [--isa NAME]... [--repeats N] MODEL.onnx...\n", name);
    return 2;
  }
  if (isas.empty()) isas.push_back(best_isa());
  try {
    for (Isa isa : isas) measure(isa, files, repeats);
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 3;
  }
  return 0;
}

}  // namespace tally::bench
