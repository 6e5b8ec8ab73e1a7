// RotaryEmbedding (ONNX opset 23): pairs of elements (x1, x2) of every head turned by the angle of their position,
// y1 = cos·x1 − sin·x2, y2 = sin·x1 + cos·x2. Pairs are the two halves of the rotated elements, or neighbours
// (interleaved).
#include <algorithm>

#include "tally/engine/preparation.h"
#include "tally/layers/attention.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// Where elements lie: batches, rows (positions), heads of `width` elements of which `rotated` turn.
struct RotaryShape {
  int64_t B = 0, N = 0, H = 0, width = 0, rotated = 0;
  int64_t batch = 0, row = 0, head = 0;  ///< strides of X and Y
  bool ids = false;                      ///< caches are [positions, rotated / 2], chosen by position_ids [B, N]
  int64_t positions = 0;                 ///< rows of the caches
};

class RotaryEmbedding final : public Layer {
 public:
  static constexpr int kX = 0, kCos = 1, kSin = 2, kIds = 3;

  explicit RotaryEmbedding(const Node& node)
      : Layer(node),
        interleaved_(node.get_int("interleaved", 0) != 0),
        heads_(node.get_int("num_heads", 0)),
        rotated_(node.get_int("rotary_embedding_dim", 0)) {
    if (heads_ < 0) fail(label(), text("num_heads=", heads_), "must be >= 0");
    if (rotated_ < 0 || rotated_ % 2 != 0)
      fail(label(), text("rotary_embedding_dim=", rotated_), "must be even and >= 0");
  }

  Role role(int input, Operands) const override { return input == kX ? Role::weight : Role::constant; }
  bool in_place(int input) const override { return input == kX; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 4);
    for (int i : {kX, kCos, kSin})
      if (in[static_cast<size_t>(i)].dtype != in[kX].dtype || !is_real(in[static_cast<size_t>(i)].dtype))
        fail(label(), text("input ", i, " of type ", name_of(in[static_cast<size_t>(i)].dtype)),
             "must be float16, bfloat16, float32 or float64, all the same");
    if (has_operand(in, kIds) && in[kIds].dtype != DType::i64)
      fail(label(), text("position_ids of type ", name_of(in[kIds].dtype)), "must be int64");
    shape_of(in);
    return {{in[kX].dtype, in[kX].shape}};
  }

  // The function's body: two products and a sum for each rotated element.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const RotaryShape s = shape_of(in);
    Cost cost;
    cost.source = "ONNX RotaryEmbedding, opset 23: the function's body, four products, a difference and a sum a pair";
    cost.formulas = {
        product(label(), "elementwise",
                {{"operations an element", 3}, {"B", s.B}, {"N", s.N}, {"H", s.H}, {"rotated", s.rotated}})};
    cost.elementwise = cost.formulas[0].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto axis = [&](int i) {
      return static_cast<size_t>(i) < time_axes.size() ? time_axes[static_cast<size_t>(i)] : kNoTimeAxis;
    };
    const int rows = in[kX].shape.size() == 4 ? 2 : 1;
    if (axis(kX) != rows) return stream_obstacle("turns heads or elements, not time steps");
    StreamStep step;
    step.time_axes = {rows};
    const auto table = [&](int input, int along) {
      if (axis(input) == along) return true;
      if (!in[static_cast<size_t>(input)].constant) return false;
      step.tables.push_back({input, along});
      return true;
    };
    const bool follows = has_operand(in, kIds) ? table(kIds, 1) : table(kCos, 1) && table(kSin, 1);
    if (!follows) return stream_obstacle("takes positions that do not run with time");
    return step;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    const double cycles = kHostCyclesPerElement * static_cast<double>(element_count(out[0].shape));
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    RotaryShape s = shape_of(p.inputs());
    if (s.width == 0) s.B = 0;  // any number of rows takes no room
    with_number_type(p.inputs()[kX].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) prepare_host<T>(s, candidate, p);
    });
  }

 private:
  RotaryShape shape_of(Operands in) const {
    const Shape& x = in[kX].shape;
    RotaryShape s;
    if (x.size() == 4) {  // [B, H, N, width]
      if (heads_ > 0 && heads_ != x[1]) fail(label(), text("num_heads=", heads_), text("must be ", x[1], " as in X"));
      s = {x[0], x[2], x[1], x[3], 0, 0, x[3], x[2] * x[3], false, 0};
      s.batch = s.H * s.head;
    } else if (x.size() == 3) {  // [B, N, H · width]
      if (heads_ == 0 || x[2] % heads_ != 0)
        fail(label(), text("num_heads=", heads_), text("must divide the ", x[2], " elements of a row of X"));
      s = {x[0], x[1], heads_, x[2] / heads_, 0, x[1] * x[2], x[2], x[2] / heads_, false, 0};
    } else {
      fail(label(), text("X of shape ", to_string(x)), "must have rank 3 or 4");
    }
    s.rotated = rotated_ == 0 ? s.width : rotated_;
    if (s.rotated > s.width || s.rotated % 2 != 0)
      fail(label(), text(s.rotated, " rotated elements of ", s.width), "must be even and at most a head's");
    s.ids = has_operand(in, kIds);
    if (s.ids && in[kIds].shape != Shape{s.B, s.N})
      fail(label(), text("position_ids of shape ", to_string(in[kIds].shape)),
           text("must have shape ", to_string({s.B, s.N})));
    for (int i : {kCos, kSin}) {
      const Shape& cache = in[static_cast<size_t>(i)].shape;
      const Shape wanted = s.ids ? Shape{cache.empty() ? 0 : cache[0], s.rotated / 2} : Shape{s.B, s.N, s.rotated / 2};
      if (cache != wanted || (i == kSin && cache != in[kCos].shape))
        fail(label(), text(i == kCos ? "cos" : "sin", "_cache of shape ", to_string(cache)),
             text("must have shape ", to_string(wanted)));
    }
    s.positions = s.ids ? in[kCos].shape[0] : s.B * s.N;
    if (s.ids && s.positions == 0 && s.B * s.N > 0) fail(label(), "caches without rows", "must have at least one");
    return s;
  }

  template <class T>
  void prepare_host(const RotaryShape& s, const Candidate& candidate, Preparation& p) const {
    const int64_t half = s.rotated / 2, size = sizeof(T);
    const int64_t rows = s.B * s.N * s.H;
    const bool interleaved = interleaved_;
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const auto *x = reinterpret_cast<const T*>(at[0]), *cos = reinterpret_cast<const T*>(at[1]),
                 *sin = reinterpret_cast<const T*>(at[2]);
      auto* y = reinterpret_cast<T*>(at[4]);
      for (int64_t b = 0; b < s.B; ++b)
        for (int64_t n = 0; n < s.N; ++n) {
          int64_t position = b * s.N + n;
          // Values come from the model's user: an id out of range takes the nearest row, negative ones count from the
          // end.
          if (s.ids) {
            position = reinterpret_cast<const int64_t*>(at[3])[position];
            if (position < 0) position += s.positions;
            position = std::clamp<int64_t>(position, 0, s.positions - 1);
          }
          for (int64_t h = 0; h < s.H; ++h) {
            const int64_t first = b * s.batch + n * s.row + h * s.head;
            for (int64_t i = 0; i < half; ++i) {
              const int64_t one = first + (interleaved ? 2 * i : i), two = interleaved ? one + 1 : one + half;
              const double c = to_sum(cos[position * half + i]), d = to_sum(sin[position * half + i]);
              const double x1 = to_sum(x[one]), x2 = to_sum(x[two]);
              y[one] = from_sum<T>(c * x1 - d * x2);
              y[two] = from_sum<T>(d * x1 + c * x2);
            }
            for (int64_t i = s.rotated; i < s.width; ++i) y[first + i] = x[first + i];
          }
        }
      if (!tally) return;
      tally->bytes_loaded += rows * (s.width + s.rotated) * size + (s.ids ? 8 * s.B * s.N : 0);
      tally->bytes_stored += rows * s.width * size;
    };
    int64_t activations = 0, weights = 0;
    const auto loads = [&](int input, int64_t bytes) {
      (p.inputs()[static_cast<size_t>(input)].constant ? weights : activations) += bytes;
    };
    loads(kX, rows * s.width * size);
    loads(kCos, rows * half * size);
    loads(kSin, rows * half * size);
    if (s.ids) loads(kIds, 8 * s.B * s.N);
    add_host_step(p,
                  {p.input(kX).buffer, p.input(kCos).buffer, p.input(kSin).buffer, s.ids ? p.input(kIds).buffer : -1,
                   p.output(0).buffer},
                  host_planned(activations, weights, rows * s.width * size), candidate.cycles, run);
  }

  bool interleaved_;
  int64_t heads_, rotated_;
};

}  // namespace

std::unique_ptr<Layer> make_rotary_embedding(const Node& node) { return std::make_unique<RotaryEmbedding>(node); }

}  // namespace tally
