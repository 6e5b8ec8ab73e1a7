// NonZero: the positions of the elements that are not zero, [rank, count], in row-major order. Unique: the distinct
// elements (or slices along an axis), where each first occurs, which of them every element is, and how often each
// occurs. Both shapes depend on the data, so that it must be known when a plan is made.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/value_layer.h"

namespace tally {

namespace {

/// Calls f with the type's tag, boolean as uint8_t; throws Error(model) naming `who` for others.
template <class F>
void with_countable(const std::string& who, DType type, F&& f) {
  if (!with_number_type(type == DType::boolean ? DType::u8 : type, std::forward<F>(f)))
    fail(who, text("input of type ", name_of(type)), "must be numbers of 8 bits or more, or bool");
}

class NonZero final : public ValueLayer {
 public:
  using ValueLayer::ValueLayer;

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    return {{DType::i64, {static_cast<int64_t>(in[0].shape.size()), static_cast<int64_t>(positions(in).size())}}};
  }

  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const override {
    const std::vector<int64_t> found = positions(in);
    const Shape &x = in[0].shape, strides = row_major_strides(x);
    Tensor y(DType::i64, out[0].shape);
    size_t i = 0;
    for (size_t d = 0; d < x.size(); ++d)
      for (int64_t position : found) y.mutable_values<int64_t>()[i++] = position / strides[d] % x[d];
    return {y};
  }

 private:
  std::vector<int64_t> positions(Operands in) const {
    std::vector<int64_t> found;
    with_countable(label(), in[0].dtype, [&](auto tag) {
      const auto values = in[0].constant->values<typename decltype(tag)::type>();
      for (size_t i = 0; i < values.size(); ++i)
        if (to_sum(values[i]) != 0) found.push_back(static_cast<int64_t>(i));
    });
    return found;
  }
};

/// Total order of numbers: NaN after all others, one like another.
template <class T>
bool before(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return a < b;
  else
    return std::isnan(to_sum(b)) ? !std::isnan(to_sum(a)) : to_sum(a) < to_sum(b);
}

class Unique final : public ValueLayer {
 public:
  explicit Unique(const Node& node) : ValueLayer(node), sorted_(node.get_int("sorted", 1) != 0) {
    if (node.has("axis")) axis_ = node.get_int("axis", 0);
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    const Slices slices = slices_of(in);
    const auto count = static_cast<int64_t>(group(in, slices).first.size());
    Shape y{count};
    if (axis_) {
      y = in[0].shape;
      y[axis(in)] = count;
    }
    return {{in[0].dtype, y}, {DType::i64, {count}}, {DType::i64, {slices.count}}, {DType::i64, {count}}};
  }

  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const override {
    const Slices slices = slices_of(in);
    const Groups groups = group(in, slices);
    Tensor y(out[0].dtype, out[0].shape);
    const auto bytes = static_cast<size_t>(bytes_of(out[0].dtype, 1));
    const auto count = static_cast<int64_t>(groups.first.size());
    for (int64_t o = 0; o < slices.outer; ++o)
      for (int64_t k = 0; k < count; ++k)
        for (int64_t i = 0; i < slices.inner; ++i)
          std::memcpy(static_cast<std::byte*>(y.mutable_data()) +
                          static_cast<size_t>((o * count + k) * slices.inner + i) * bytes,
                      static_cast<const std::byte*>(in[0].constant->data()) +
                          static_cast<size_t>(slices.at(groups.first[static_cast<size_t>(k)], o, i)) * bytes,
                      bytes);
    return {y, Tensor::of_int64(groups.first), Tensor::of_int64(groups.member), Tensor::of_int64(groups.count)};
  }

 private:
  /// The slices along the axis: slice k has the elements (o·count + k)·inner + i.
  struct Slices {
    int64_t outer = 1, count = 0, inner = 1;
    int64_t at(int64_t k, int64_t o, int64_t i) const { return (o * count + k) * inner + i; }
  };
  struct Groups {
    std::vector<int64_t> first, member, count;
  };

  size_t axis(Operands in) const {
    return static_cast<size_t>(normalize_axis(*axis_, static_cast<int64_t>(in[0].shape.size()), label()));
  }

  Slices slices_of(Operands in) const {
    const Shape& x = in[0].shape;
    if (!axis_) return {1, element_count(x, label()), 1};
    const auto at = static_cast<std::ptrdiff_t>(axis(in));
    return {element_count(Shape(x.begin(), x.begin() + at)), x[axis(in)],
            element_count(Shape(x.begin() + at + 1, x.end()))};
  }

  Groups group(Operands in, const Slices& slices) const {
    Groups groups;
    with_countable(label(), in[0].dtype, [&](auto tag) {
      const auto values = in[0].constant->values<typename decltype(tag)::type>();
      const auto less = [&](int64_t a, int64_t b) {
        for (int64_t o = 0; o < slices.outer; ++o)
          for (int64_t i = 0; i < slices.inner; ++i) {
            const auto u = values[static_cast<size_t>(slices.at(a, o, i))],
                       v = values[static_cast<size_t>(slices.at(b, o, i))];
            if (before(u, v)) return true;
            if (before(v, u)) return false;
          }
        return false;
      };
      std::vector<int64_t> order(static_cast<size_t>(slices.count));
      std::iota(order.begin(), order.end(), int64_t{0});
      std::stable_sort(order.begin(), order.end(), less);
      groups = grouped(order, less);
    });
    return groups;
  }

  /// `order`: slices sorted, equal ones in order of place.
  template <class Less>
  Groups grouped(const std::vector<int64_t>& order, Less less) const {
    Groups groups;
    groups.member.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || less(order[i - 1], order[i])) {
        groups.first.push_back(order[i]);
        groups.count.push_back(0);
      }
      ++groups.count.back();
      groups.member[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
    }
    if (sorted_) return groups;
    // In order of first occurrence instead.
    std::vector<int64_t> by_place(groups.first.size());
    std::iota(by_place.begin(), by_place.end(), int64_t{0});
    std::sort(by_place.begin(), by_place.end(), [&](int64_t a, int64_t b) {
      return groups.first[static_cast<size_t>(a)] < groups.first[static_cast<size_t>(b)];
    });
    Groups placed = groups;
    std::vector<int64_t> place(by_place.size());
    for (size_t i = 0; i < by_place.size(); ++i) {
      const auto from = static_cast<size_t>(by_place[i]);
      placed.first[i] = groups.first[from];
      placed.count[i] = groups.count[from];
      place[from] = static_cast<int64_t>(i);
    }
    for (int64_t& member : placed.member) member = place[static_cast<size_t>(member)];
    return placed;
  }

  bool sorted_;
  std::optional<int64_t> axis_;
};

}  // namespace

std::unique_ptr<Layer> make_non_zero(const Node& node) { return std::make_unique<NonZero>(node); }
std::unique_ptr<Layer> make_unique_values(const Node& node) { return std::make_unique<Unique>(node); }

}  // namespace tally
