// ScatterElements (Scatter before opset 11): Y = X, then Y[i, but indices[i] along the axis] = U[i]. ScatterND: Y = X,
// then Y[indices[j], …] = U[j, …], the indices' last axis holding a tuple of coordinates. With a reduction the update
// is added to, multiplied with or compared with what is there. Indices known at load are checked there; others that lie
// outside change nothing, as a run cannot fail.
#include "tally/layers/host_layer.h"
#include "tally/layers/host_number.h"
#include "tally/layers/indices.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kX = 0, kIndices = 1, kUpdates = 2;

enum class Reduction { none, add, mul, max, min };

Reduction reduction_of(const Node& node) {
  const std::string name = node.get_string("reduction", "none");
  if (name == "none") return Reduction::none;
  if (name == "add" && node.opset >= 16) return Reduction::add;
  if (name == "mul" && node.opset >= 16) return Reduction::mul;
  if (name == "max" && node.opset >= 18) return Reduction::max;
  if (name == "min" && node.opset >= 18) return Reduction::min;
  fail(node.label(), "reduction='" + name + "'",
       node.opset >= 18   ? "must be none, add, mul, max or min"
       : node.opset >= 16 ? "must be none, add or mul"
                          : "must be none");
}

template <class T>
T combined(T old, T update, Reduction reduction) {
  const SumOf<T> a = to_sum(old), b = to_sum(update);
  const bool less = [&] {
    if constexpr (std::is_integral_v<T>) return update < old;
    return b < a;
  }();
  switch (reduction) {
    case Reduction::add:
      return from_sum<T>(a + b);
    case Reduction::mul:
      return from_sum<T>(a * b);
    case Reduction::max:
      return less ? old : update;
    case Reduction::min:
      return less ? update : old;
    case Reduction::none:
      break;
  }
  return update;
}

/// Calls f with what combines two elements: for a reduction numbers of their type, else raw bytes.
template <class F>
void with_updater(DType type, int64_t element_bytes, Reduction reduction, F&& f) {
  if (reduction == Reduction::none)
    with_element_bytes(element_bytes, [&](auto e) { f([](decltype(e), decltype(e) update) { return update; }, e); });
  else
    with_number_type(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      f([reduction](T old, T update) { return combined(old, update, reduction); }, T{});
    });
}

class Scattering : public HostLayer {
 public:
  explicit Scattering(const Node& node) : HostLayer(node), reduction_(reduction_of(node)) {}

  Role role(int input, Operands) const override { return input == kIndices ? Role::free : Role::constant; }

  // Moves X and the updates; a reduction is one operation an element of the updates.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX " + op() + ", opset 11 to 24: moves data, one operation an update where it reduces";
    const int64_t n = element_count(in[kUpdates].shape);
    if (reduction_ == Reduction::add || reduction_ == Reduction::mul) cost.elementwise = n;
    if (reduction_ == Reduction::max || reduction_ == Reduction::min) cost.comparisons = n;
    return cost;
  }

 protected:
  int64_t element_bytes(Operands in) const { return whole_element_bytes(in[kX].dtype, label()); }

  void check_types(Operands in) const {
    require_inputs(label(), in, 3, 3);
    element_bytes(in);
    if (in[kUpdates].dtype != in[kX].dtype)
      fail(label(), text("updates of type ", name_of(in[kUpdates].dtype)),
           text("must be ", name_of(in[kX].dtype), " like the data"));
    if (reduction_ != Reduction::none && !with_number_type(in[kX].dtype, [](auto) {}))
      fail(label(), text("a reduction of type ", name_of(in[kX].dtype)), "must be of numbers of 8 bits or more");
  }

  /// Y = X. Never in place: the updates may be X too.
  void copy_data(Preparation& p) const {
    const Placement x = p.input(kX), y = p.output(0);
    add_copy_step(p, copy_args({{element_count(x.type.shape), 1, 1}}, element_bytes(p.inputs()), label()),
                  {x.buffer, 0, p.inputs()[kX].constant != nullptr}, {y.buffer});
  }

  /// `n` updates: each is read once, and with a reduction what it meets too. Fewer where indices lie outside.
  Planned planned(Preparation& p, int64_t n, int64_t index_bytes) const {
    if (p.inputs()[kIndices].constant == nullptr) p.vary("indices_outside");
    const int64_t bytes = n * element_bytes(p.inputs());
    Planned planned = host_planned(p, {{kUpdates, bytes}, {kIndices, index_bytes}}, 0);
    if (reduction_ != Reduction::none) planned.loaded_partials = bytes;
    planned.tally.bytes_loaded += planned.loaded_partials;
    planned.stored_partials = planned.tally.bytes_stored = bytes;
    return planned;
  }

  Reduction reduction_;
};

class ScatterElements final : public Scattering {
 public:
  explicit ScatterElements(const Node& node) : Scattering(node), axis_(node.get_int("axis", 0)) {}

  std::vector<TensorType> infer(Operands in) const override {
    check_types(in);
    const ElementWalk walk = element_walk(label(), in[kX].shape, in[kIndices].shape, axis_);
    check_indices(label(), in[kIndices], walk.axis_extent);
    if (in[kUpdates].shape != in[kIndices].shape)
      fail(label(), text("updates of shape ", to_string(in[kUpdates].shape)),
           text("must be ", to_string(in[kIndices].shape), " like the indices"));
    return {{in[kX].dtype, in[kX].shape}};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[kX];
    if (t < 0 || t != time_axes[kIndices] || t != time_axes[kUpdates] ||
        t == normalize_axis(axis_, static_cast<int64_t>(in[kX].shape.size()), label()))
      return stream_obstacle("scatters among time steps");
    return stream_unchanged(t);
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const ElementWalk walk = element_walk(label(), in[kX].shape, in[kIndices].shape, axis_);
    const int64_t n = walk.rows * walk.inner;
    copy_data(p);
    const bool wide = in[kIndices].dtype == DType::i64;
    if (n == 0) return;
    with_updater(in[kX].dtype, element_bytes(in), reduction_, [&](auto update, auto element) {
      using E = decltype(element);
      const auto run = [walk, wide, update, reads = reduction_ != Reduction::none](
                           const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
        E* y = reinterpret_cast<E*>(at[0]);
        const IndexReader indices{at[1], wide};
        const E* updates = reinterpret_cast<const E*>(at[2]);
        int64_t i = 0, outside = 0;
        for (int64_t row = 0; row < walk.rows; ++row) {
          E* to = y + row_offset(row, walk.sizes, walk.strides);
          for (int64_t j = 0; j < walk.inner; ++j, ++i) {
            const int64_t index = valid_index(indices[i], walk.axis_extent);
            outside += index < 0;
            if (index < 0) continue;
            E& element_there = to[j * walk.inner_stride + index * walk.axis_stride];
            element_there = update(element_there, updates[i]);
          }
        }
        if (!tally) return;
        tally->bytes_loaded += i * indices.bytes() + (i - outside) * int64_t{sizeof(E)} * (reads ? 2 : 1);
        tally->bytes_stored += (i - outside) * int64_t{sizeof(E)};
      };
      add_host_step(p, {p.output(0).buffer, p.input(kIndices).buffer, p.input(kUpdates).buffer},
                    planned(p, n, n * (wide ? 8 : 4)), candidate.cycles, run);
    });
  }

 private:
  int64_t axis_;
};

class ScatterND final : public Scattering {
 public:
  using Scattering::Scattering;

  std::vector<TensorType> infer(Operands in) const override {
    check_types(in);
    const TupleWalk walk = tuple_walk(label(), in[kX].shape, in[kIndices], 0);
    Shape updates(in[kIndices].shape.begin(), in[kIndices].shape.end() - 1);
    updates.insert(updates.end(), in[kX].shape.begin() + walk.width(), in[kX].shape.end());
    if (in[kUpdates].shape != updates)
      fail(label(), text("updates of shape ", to_string(in[kUpdates].shape)), text("must be ", to_string(updates)));
    return {{in[kX].dtype, in[kX].shape}};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const TupleWalk walk = tuple_walk(label(), in[kX].shape, in[kIndices], 0);
    copy_data(p);
    if (walk.tuples * walk.row == 0) return;
    with_updater(in[kX].dtype, element_bytes(in), reduction_, [&](auto update, auto element) {
      using E = decltype(element);
      const auto run = [walk, update, reads = reduction_ != Reduction::none](const std::vector<std::byte*>& at, int64_t,
                                                                             int64_t, Tally* tally) noexcept {
        const auto* indices = reinterpret_cast<const int64_t*>(at[1]);
        int64_t tuple = 0, outside = 0;
        for (; tuple < walk.tuples; ++tuple) {
          int64_t offset = 0;
          for (size_t k = 0; k < walk.extents.size() && offset >= 0; ++k) {
            const int64_t index = valid_index(indices[tuple * walk.width() + static_cast<int64_t>(k)], walk.extents[k]);
            offset = index < 0 ? -1 : offset + index * walk.strides[k];
          }
          outside += offset < 0;
          if (offset < 0) continue;
          E* y = reinterpret_cast<E*>(at[0]) + offset;
          const E* updates = reinterpret_cast<const E*>(at[2]) + tuple * walk.row;
          for (int64_t j = 0; j < walk.row; ++j) y[j] = update(y[j], updates[j]);
        }
        if (!tally) return;
        const int64_t moved = (tuple - outside) * walk.row * int64_t{sizeof(E)};
        tally->bytes_loaded += tuple * walk.width() * 8 + moved * (reads ? 2 : 1);
        tally->bytes_stored += moved;
      };
      add_host_step(p, {p.output(0).buffer, p.input(kIndices).buffer, p.input(kUpdates).buffer},
                    planned(p, walk.tuples * walk.row, walk.tuples * walk.width() * 8), candidate.cycles, run);
    });
  }
};

}  // namespace

std::unique_ptr<Layer> make_scatter_elements(const Node& node) { return std::make_unique<ScatterElements>(node); }
std::unique_ptr<Layer> make_scatter_nd(const Node& node) { return std::make_unique<ScatterND>(node); }

}  // namespace tally
