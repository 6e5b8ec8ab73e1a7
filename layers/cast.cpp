// Cast: Y = X in another element type. To integers fractions are cut off; values that do not fit are brought to the
// nearest that does, NaN becomes 0; to boolean everything but 0 is true.
#include <cmath>
#include <limits>

#include "tally/layers/absorb.h"
#include "tally/layers/element_type.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// Before opset 6 the type is spelt.
DType type_of_name(const std::string& name) {
  constexpr std::pair<const char*, DType> kNames[] = {
      {"FLOAT", DType::f32},   {"UINT8", DType::u8},   {"INT8", DType::i8},    {"UINT16", DType::u16},
      {"INT16", DType::i16},   {"INT32", DType::i32},  {"INT64", DType::i64},  {"BOOL", DType::boolean},
      {"FLOAT16", DType::f16}, {"DOUBLE", DType::f64}, {"UINT32", DType::u32}, {"UINT64", DType::u64}};
  for (const auto& [known, type] : kNames)
    if (name == known) return type;
  return DType::undefined;
}

/// Calls f with the type's tag; boolean as uint8_t.
template <class F>
bool with_castable(DType type, F&& f) {
  return with_number_type(type == DType::boolean ? DType::u8 : type, std::forward<F>(f));
}

template <class To, class From>
To convert(From value, bool to_boolean) {
  if constexpr (std::is_integral_v<From>) {
    if (to_boolean) return from_sum<To>(value != 0);
    if constexpr (std::is_integral_v<To>)
      return static_cast<To>(value);
    else
      return from_sum<To>(static_cast<double>(value));
  } else {
    const double x = to_sum(value);
    if (to_boolean) return from_sum<To>(x != 0);
    if constexpr (std::is_integral_v<To>) {
      if (std::isnan(x)) return 0;
      // Both limits are powers of two, or one below: exact, or rounded to the power above.
      if (x <= static_cast<double>(std::numeric_limits<To>::lowest())) return std::numeric_limits<To>::lowest();
      if (x >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
      return static_cast<To>(x);
    } else {
      return from_sum<To>(x);
    }
  }
}

template <class To, class From>
void convert_all(const std::byte* x, std::byte* y, int64_t n, bool to_boolean) noexcept {
  const From* from = reinterpret_cast<const From*>(x);
  To* to = reinterpret_cast<To*>(y);
  for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i], to_boolean);
}

using Conversion = void (*)(const std::byte* x, std::byte* y, int64_t n, bool to_boolean) noexcept;

Conversion conversion(DType from, DType to) {
  Conversion found = nullptr;
  with_castable(from, [&](auto from_tag) {
    with_castable(to, [&](auto to_tag) {
      found = convert_all<typename decltype(to_tag)::type, typename decltype(from_tag)::type>;
    });
  });
  return found;
}

class Cast final : public Layer, public PassesTransposition {
 public:
  explicit Cast(const Node& node) : Layer(node), like_(node.op == "CastLike"), to_(DType::undefined) {
    if (like_) return;
    to_ = node.opset < 6 ? type_of_name(node.get_string("to", "")) : type_of_code(node.get_int("to", 0));
    if (!with_castable(to_, [](auto) {}))
      fail(label(), "to",
           text("must be a number or boolean of 8 bits or more",
                to_ == DType::string ? " (out of scope: strings)" : ""));
  }

  bool keeps_identity() const override { return true; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, like_ ? 2 : 1, like_ ? 2 : 1);
    if (like_ && !with_castable(in[1].dtype, [](auto) {}))
      fail(label(), text("type ", name_of(in[1].dtype)), "must be a number or boolean of 8 bits or more");
    if (!with_castable(in[0].dtype, [](auto) {}))
      fail(label(), text("input of type ", name_of(in[0].dtype)), "must be a number or boolean of 8 bits or more");
    return {{like_ ? in[1].dtype : to_, in[0].shape}};
  }

  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override { return input == 0 ? -1 : 0; }

  // Changes how elements are stored and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX " + op() + ", opset 1 to 24: moves data only";
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_elements(in, time_axes);
  }

  std::shared_ptr<const Layer> before_transposition(Operands, const std::vector<size_t>&) const override {
    return std::make_shared<Cast>(*this);
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    const double cycles = kHostCyclesPerElement * static_cast<double>(element_count(in[0].shape));
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const int64_t n = element_count(p.inputs()[0].shape);
    const bool constant = p.inputs()[0].constant != nullptr;
    const DType from = p.inputs()[0].dtype, to = p.outputs()[0].dtype;
    const auto from_bytes = bytes_of(from, 1), to_bytes = bytes_of(to, 1);
    const Conversion convert = conversion(from, to);
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      convert(at[0], at[1], n, to == DType::boolean);
      if (!tally) return;
      tally->bytes_loaded += n * from_bytes;
      tally->bytes_stored += n * to_bytes;
    };
    const int64_t read = n * from_bytes;
    add_host_step(p, {p.input(0).buffer, p.output(0).buffer},
                  host_planned(constant ? 0 : read, constant ? read : 0, n * to_bytes), candidate.cycles, run);
  }

 private:
  bool like_;
  DType to_;
};

}  // namespace

std::unique_ptr<Layer> make_cast(const Node& node) { return std::make_unique<Cast>(node); }

}  // namespace tally
