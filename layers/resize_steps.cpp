#include "tally/layers/resize_steps.h"

#include <algorithm>
#include <numeric>

#include "tally/layers/host_layer.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

/// Output row j of `inner` elements: Σ_t weight[t]·x[index[t]]. Returns the rows read.
template <class In, class Out>
int64_t interpolate_row(const In* x, Out* y, const ResizePass& pass, int64_t j, double extrapolation) {
  const auto first = static_cast<size_t>(pass.taps->first[static_cast<size_t>(j)]);
  const int64_t taps = pass.taps->first[static_cast<size_t>(j) + 1] - static_cast<int64_t>(first);
  const int64_t* index = pass.taps->index.data() + first;
  const double* weight = pass.taps->weight.data() + first;
  if (taps == 0) {
    for (int64_t i = 0; i < pass.inner; ++i) y[i] = from_real<Out>(extrapolation);
  } else if (taps == 1) {
    const In* a = x + index[0] * pass.inner;
    for (int64_t i = 0; i < pass.inner; ++i) y[i] = from_real<Out>(to_real(a[i]) * weight[0]);
  } else if (taps == 2) {
    const In *a = x + index[0] * pass.inner, *b = x + index[1] * pass.inner;
    const double u = weight[0], v = weight[1];
    for (int64_t i = 0; i < pass.inner; ++i) y[i] = from_real<Out>(to_real(a[i]) * u + to_real(b[i]) * v);
  } else {
    for (int64_t i = 0; i < pass.inner; ++i) {
      double sum = 0;
      for (int64_t t = 0; t < taps; ++t) sum += to_real(x[index[t] * pass.inner + i]) * weight[t];
      y[i] = from_real<Out>(sum);
    }
  }
  return taps;
}

/// Where a pass reads or writes.
struct End {
  BufferId buffer = -1;
  bool scratch = false, constant = false;
};

template <class In, class Out>
void add_pass(Preparation& p, const ResizePass& pass, const End& x, const End& y, double extrapolation) {
  const auto run = [pass, extrapolation](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
    const In* x = reinterpret_cast<const In*>(at[0]);
    Out* y = reinterpret_cast<Out*>(at[1]);
    int64_t read = 0, rows = 0;
    for (int64_t o = 0; o < pass.outer; ++o)
      for (int64_t j = 0; j < pass.m; ++j, ++rows)
        read += interpolate_row(x + o * pass.n * pass.inner, y + rows * pass.inner, pass, j, extrapolation);
    if (!tally) return;
    tally->bytes_loaded += read * pass.inner * int64_t{sizeof(In)};
    tally->bytes_stored += rows * pass.inner * int64_t{sizeof(Out)};
  };
  const int64_t loaded = pass.outer * static_cast<int64_t>(pass.taps->index.size()) * pass.inner * int64_t{sizeof(In)};
  const int64_t stored = pass.outer * pass.m * pass.inner * int64_t{sizeof(Out)};
  Planned planned;
  (x.scratch ? planned.loaded_scratch : x.constant ? planned.loaded_weights : planned.loaded_activations) = loaded;
  (y.scratch ? planned.stored_scratch : planned.stored_outputs) = stored;
  planned.tally.bytes_loaded = loaded;
  planned.tally.bytes_stored = stored;
  add_host_step(p, {x.buffer, y.buffer}, planned, resize_cycles({pass}), run);
}

}  // namespace

std::vector<ResizePass> resize_passes(Shape from, const Shape& to,
                                      const std::vector<std::shared_ptr<const AxisTaps>>& taps) {
  std::vector<size_t> order;
  for (size_t d = 0; d < from.size(); ++d)
    if (taps[d]) order.push_back(d);
  const auto growth = [&](size_t d) { return static_cast<double>(to[d]) / static_cast<double>(from[d]); };
  std::stable_sort(order.begin(), order.end(), [&, ratio = growth](size_t a, size_t b) { return ratio(a) < ratio(b); });
  std::vector<ResizePass> passes;
  Shape now = from;
  for (size_t d : order) {
    ResizePass pass;
    const auto at = static_cast<std::ptrdiff_t>(d);
    pass.outer = element_count(Shape(now.begin(), now.begin() + at));
    pass.inner = element_count(Shape(now.begin() + at + 1, now.end()));
    pass.n = now[d];
    pass.m = now[d] = to[d];
    pass.taps = taps[d];
    passes.push_back(std::move(pass));
  }
  return passes;
}

double resize_cycles(const std::vector<ResizePass>& passes) {
  double cycles = 0;
  for (const ResizePass& pass : passes)
    cycles += kStepCycles + 2.0 * static_cast<double>(pass.outer * pass.inner) *
                                static_cast<double>(pass.taps->index.size() + pass.taps->first.size());
  return cycles;
}

void add_resize_steps(Preparation& p, const std::vector<ResizePass>& passes, double extrapolation) {
  End from{p.input(0).buffer, false, p.inputs()[0].constant != nullptr};
  for (size_t i = 0; i < passes.size(); ++i) {
    const ResizePass& pass = passes[i];
    const bool first = i == 0, last = i + 1 == passes.size();
    End to{p.output(0).buffer};
    if (!last) {
      const int64_t elements = element_count({pass.outer, pass.m, pass.inner}, "Resize scratch");
      to = {p.add_scratch(elements * int64_t{sizeof(double)}), true};
    }
    with_number_type(p.outputs()[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (first && last) add_pass<T, T>(p, pass, from, to, extrapolation);
      if (first && !last) add_pass<T, double>(p, pass, from, to, extrapolation);
      if (!first && last) add_pass<double, T>(p, pass, from, to, extrapolation);
      if (!first && !last) add_pass<double, double>(p, pass, from, to, extrapolation);
    });
    from = to;
  }
}

void add_nearest_step(Preparation& p, std::vector<std::vector<int64_t>> offsets, double cycles) {
  Shape sizes;
  for (const std::vector<int64_t>& axis : offsets) sizes.push_back(static_cast<int64_t>(axis.size()));
  if (sizes.empty() || element_count(sizes) == 0) return;
  const int64_t rows = element_count(Shape(sizes.begin(), sizes.end() - 1)), width = sizes.back();
  with_element_bytes(whole_element_bytes(p.inputs()[0].dtype, "Resize"), [&](auto element) {
    using E = decltype(element);
    const auto run = [rows, width, offsets = std::move(offsets)](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                                 Tally* tally) noexcept {
      const E* x = reinterpret_cast<const E*>(at[0]);
      E* y = reinterpret_cast<E*>(at[1]);
      const int64_t* columns = offsets.back().data();
      for (int64_t row = 0; row < rows; ++row, y += width) {
        int64_t offset = 0, rest = row;
        for (size_t d = offsets.size() - 1; d-- > 0;) {
          offset += offsets[d][static_cast<size_t>(rest) % offsets[d].size()];
          rest /= static_cast<int64_t>(offsets[d].size());
        }
        for (int64_t j = 0; j < width; ++j) y[j] = x[offset + columns[j]];
      }
      if (!tally) return;
      tally->bytes_loaded += (y - reinterpret_cast<E*>(at[1])) * int64_t{sizeof(E)};
      tally->bytes_stored += (y - reinterpret_cast<E*>(at[1])) * int64_t{sizeof(E)};
    };
    const int64_t bytes = rows * width * int64_t{sizeof(E)};
    add_host_step(p, {p.input(0).buffer, p.output(0).buffer}, host_planned(p, {{0, bytes}}, bytes), cycles, run);
  });
}

}  // namespace tally
