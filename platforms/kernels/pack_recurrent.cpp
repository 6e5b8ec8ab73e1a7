#include "tally/platforms/kernels/pack_recurrent.h"

#include <algorithm>

namespace tally {
namespace {

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// One pass over the weights: its gates in ONNX's numbering and the sums that each vector of units keeps.
struct Pass {
  int first_gate, gates, sums;
};
struct Passes {
  int count;
  Pass pass[2];
};

Passes passes_of(RecurrentCell cell) {
  switch (cell) {
    case RecurrentCell::lstm:
      return {1, {{0, 4, 4}}};
    case RecurrentCell::gru:
      return {1, {{0, 3, 4}}};
    case RecurrentCell::gru_reset_first:
      return {2, {{0, 2, 2}, {2, 1, 1}}};
    case RecurrentCell::elman:
      break;
  }
  return {1, {{0, 1, 1}}};
}

/// One panel of `blocks` vectors of units from `unit` on.
float* pack_panel(const RecurrentArgs& args, const RecurrentWeights& raw, const Pass& pass, int64_t unit,
                  int64_t blocks, float* packed) {
  const int64_t H = args.H, I = args.I, lanes = args.lanes;
  for (int64_t row = 0; row < I + H; ++row) {
    for (int64_t b = 0; b < blocks; ++b) {
      for (int g = pass.first_gate; g < pass.first_gate + pass.gates; ++g) {
        for (int64_t lane = 0; lane < lanes; ++lane) {
          const int64_t j = unit + b * lanes + lane;
          if (j >= H)
            *packed++ = 0.0f;
          else
            *packed++ = row < I ? raw.w[(g * H + j) * I + row] : raw.r[(g * H + j) * H + (row - I)];
        }
      }
    }
  }
  return packed;
}

float bias_at(const float* bias, int64_t i) { return bias ? bias[i] : 0.0f; }

}  // namespace

int32_t recurrent_lanes(int64_t H, const Geometry& geometry) {
  const int64_t half = geometry.half_lanes, full = geometry.lanes;
  if (half > 0 && 4 * round_up(H, half) <= 3 * round_up(H, full)) return static_cast<int32_t>(half);
  return static_cast<int32_t>(full);
}

int64_t recurrent_weight_elements(const RecurrentArgs& args) {
  const Passes passes = passes_of(args.cell);
  int64_t gates = 0;
  for (int i = 0; i < passes.count; ++i) gates += passes.pass[i].gates;
  return gates * args.padded * (args.I + args.H);
}

int64_t recurrent_bias_elements(const RecurrentArgs& args) {
  const Passes passes = passes_of(args.cell);
  int64_t sums = 0;
  for (int i = 0; i < passes.count; ++i) sums += passes.pass[i].sums;
  return sums * args.padded;
}

void pack_recurrent(const RecurrentArgs& args, const RecurrentWeights& raw, const Geometry& geometry, float* packed) {
  const Passes passes = passes_of(args.cell);
  const int64_t blocks = args.padded / args.lanes;
  for (int i = 0; i < passes.count; ++i) {
    const Pass& pass = passes.pass[i];
    for (int64_t block = 0; block < blocks;) {
      int64_t width = geometry.recurrent_sums / pass.sums;
      while (width > blocks - block) width /= 2;
      packed = pack_panel(args, raw, pass, block * args.lanes, width, packed);
      block += width;
    }
  }
}

void pack_recurrent_bias(const RecurrentArgs& args, const RecurrentWeights& raw, float* packed) {
  const Passes passes = passes_of(args.cell);
  for (int i = 0; i < passes.count; ++i) {
    const Pass& pass = passes.pass[i];
    for (int64_t unit = 0; unit < args.padded; unit += args.lanes) {
      for (int sum = 0; sum < pass.sums; ++sum) {
        const bool apart = args.cell == RecurrentCell::gru && sum >= 2;
        const int64_t gate = std::min<int64_t>(pass.first_gate + sum, pass.first_gate + pass.gates - 1);
        for (int64_t j = unit; j < unit + args.lanes; ++j) {
          const int64_t at = gate * args.H + j;
          if (j >= args.H)
            *packed++ = 0.0f;
          else if (apart)
            *packed++ = bias_at(sum == 2 ? raw.wb : raw.rb, at);
          else
            *packed++ = bias_at(raw.wb, at) + bias_at(raw.rb, at);
        }
      }
    }
  }
}

}  // namespace tally
