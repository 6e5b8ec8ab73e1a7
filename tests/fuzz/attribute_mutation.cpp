#include "tests/fuzz/attribute_mutation.h"

#include <algorithm>
#include <cstring>

namespace tally::test {

namespace {

constexpr int64_t kMostElements = 4096;

void fill_at_random(Tensor& tensor, Dice& dice) {
  auto* bytes = static_cast<uint8_t*>(tensor.mutable_data());
  const bool integers = tensor.dtype() == DType::i64 || tensor.dtype() == DType::i32;
  const size_t width = std::max(1, bits_of(tensor.dtype()) / 8);
  for (size_t at = 0; at + width <= tensor.bytes(); at += width) {
    const int64_t integer = dice.integer();
    const float real = dice.real();
    const double wide = real;
    if (tensor.dtype() == DType::f32)
      std::memcpy(bytes + at, &real, width);
    else if (tensor.dtype() == DType::f64)
      std::memcpy(bytes + at, &wide, width);
    else if (tensor.dtype() == DType::boolean)
      bytes[at] = integer & 1;
    else if (integers || width <= sizeof integer)
      std::memcpy(bytes + at, &integer, width);
  }
}

Shape random_shape(Dice& dice) {
  Shape shape(dice.below(5));
  int64_t elements = 1;
  for (int64_t& extent : shape) {
    extent = static_cast<int64_t>(dice.below(dice.one_in(8) ? 40 : 5));
    if (elements * extent > kMostElements) extent = 1;
    elements *= extent;
  }
  return shape;
}

Attribute random_attribute(Dice& dice) {
  static const char* const kTexts[] = {"SAME_UPPER",
                                       "SAME_LOWER",
                                       "VALID",
                                       "NOTSET",
                                       "reflect",
                                       "edge",
                                       "wrap",
                                       "constant",
                                       "bilinear",
                                       "linear",
                                       "cubic",
                                       "nearest",
                                       "forward",
                                       "reverse",
                                       "bidirectional",
                                       "tanh",
                                       "none",
                                       "add",
                                       "mul",
                                       "max",
                                       "DCR",
                                       "CRD",
                                       "avg",
                                       "LEFT",
                                       "align_corners",
                                       "half_pixel",
                                       "tf_crop_and_resize",
                                       "",
                                       "ij,jk->ik"};
  switch (dice.below(7)) {
    case 0:
      return dice.real();
    case 1:
    case 2:
      return dice.integer();
    case 3:
      return std::string(dice.of(kTexts));
    case 4:
      return random_tensor(dice);
    case 5: {
      std::vector<float> list(dice.below(6));
      for (float& value : list) value = dice.real();
      return list;
    }
    default: {
      std::vector<int64_t> list(dice.below(7));
      for (int64_t& value : list) value = dice.integer();
      return list;
    }
  }
}

/// Another value of the type that it has.
struct ValueMutation {
  Dice& dice;

  void operator()(float& value) const { value = dice.real(); }
  void operator()(int64_t& value) const { value = dice.one_in(3) ? value ^ 1 : dice.integer(); }
  void operator()(std::string& value) const {
    Attribute other = random_attribute(dice);
    if (auto* text = std::get_if<std::string>(&other)) value = *text;
  }
  void operator()(Tensor& value) const { mutate_tensor(value, dice); }
  void operator()(std::shared_ptr<const Graph>&) const {}
  template <class T>
  void operator()(std::vector<T>& values) const {
    switch (dice.below(5)) {
      case 0:
        values.emplace_back();
        break;
      case 1:
        if (!values.empty()) values.pop_back();
        break;
      case 2:
        if (!values.empty()) values.push_back(values[dice.below(values.size())]);
        break;
      default:
        if (!values.empty()) element(values[dice.below(values.size())]);
        break;
    }
  }
  void element(float& value) const { value = dice.real(); }
  void element(int64_t& value) const { value = dice.integer(); }
  void element(std::string& value) const { (*this)(value); }
};

const char* random_key(Dice& dice) {
  static const char* const kKeys[] = {"axis",
                                      "axes",
                                      "perm",
                                      "pads",
                                      "strides",
                                      "dilations",
                                      "group",
                                      "kernel_shape",
                                      "auto_pad",
                                      "ceil_mode",
                                      "keepdims",
                                      "to",
                                      "mode",
                                      "transA",
                                      "transB",
                                      "alpha",
                                      "beta",
                                      "hidden_size",
                                      "direction",
                                      "layout",
                                      "clip",
                                      "activations",
                                      "epsilon",
                                      "size",
                                      "bias",
                                      "blocksize",
                                      "batch_dims",
                                      "num_outputs",
                                      "output_shape",
                                      "output_padding",
                                      "exclusive",
                                      "reverse",
                                      "largest",
                                      "sorted",
                                      "is_causal",
                                      "q_num_heads",
                                      "kv_num_heads",
                                      "softcap",
                                      "scale",
                                      "num_heads",
                                      "interleaved",
                                      "start",
                                      "end",
                                      "value",
                                      "allowzero",
                                      "to",
                                      "select_last_index",
                                      "count_include_pad",
                                      "storage_order",
                                      "dilations",
                                      "time_axis",
                                      "batch_axis",
                                      "input_forget",
                                      "linear_before_reset",
                                      "scan_input_axes",
                                      "num_scan_inputs",
                                      "stash_type",
                                      "detect_negative",
                                      "upper",
                                      "fmod"};
  return dice.of(kKeys);
}

}  // namespace

DType random_dtype(Dice& dice) {
  static constexpr DType kTypes[] = {DType::f32, DType::f32, DType::f32, DType::f16,     DType::bf16, DType::f64,
                                     DType::i8,  DType::u8,  DType::i16, DType::u16,     DType::i32,  DType::u32,
                                     DType::i64, DType::i64, DType::u64, DType::boolean, DType::i4,   DType::u4};
  return dice.of(kTypes);
}

Tensor random_tensor(Dice& dice) {
  Tensor tensor(random_dtype(dice), random_shape(dice));
  fill_at_random(tensor, dice);
  return tensor;
}

void mutate_tensor(Tensor& tensor, Dice& dice) {
  if (!tensor.has_data() || tensor.elements() > kMostElements || dice.one_in(12)) {
    tensor = random_tensor(dice);
    return;
  }
  Shape shape = tensor.shape();
  DType dtype = tensor.dtype();
  switch (dice.below(6)) {
    case 0:
      dtype = random_dtype(dice);
      break;
    case 1:
      if (!shape.empty()) dice.of(shape) = static_cast<int64_t>(dice.below(9));
      break;
    case 2:
      shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(dice.below(shape.size() + 1)), 1);
      break;
    case 3:
      if (!shape.empty()) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(dice.below(shape.size())));
      break;
    default:
      break;
  }
  int64_t elements = 1;
  for (const int64_t extent : shape)
    elements = std::min(elements * std::min(extent, kMostElements + 1), kMostElements + 1);
  if (elements > kMostElements) return;
  Tensor changed(dtype, shape);
  const size_t kept = dtype == tensor.dtype() ? std::min(changed.bytes(), tensor.bytes()) : 0;
  if (kept > 0) std::memcpy(changed.mutable_data(), tensor.data(), kept);
  if (kept == 0) fill_at_random(changed, dice);
  if (kept > 0 && shape == tensor.shape()) {  // one element
    Tensor one(dtype, {1});
    fill_at_random(one, dice);
    const size_t width = std::min(one.bytes(), kept);
    const size_t at = dice.below(changed.bytes() / width) * width;
    std::memcpy(static_cast<std::byte*>(changed.mutable_data()) + at, one.data(), width);
  }
  tensor = std::move(changed);
}

void mutate_attributes(std::map<std::string, Attribute>& attributes, Dice& dice) {
  if (attributes.empty() || dice.one_in(5)) {
    attributes[random_key(dice)] = random_attribute(dice);
    return;
  }
  const auto at = std::next(attributes.begin(), static_cast<std::ptrdiff_t>(dice.below(attributes.size())));
  if (std::holds_alternative<std::shared_ptr<const Graph>>(at->second) && !dice.one_in(20)) return;
  if (dice.one_in(6))
    attributes.erase(at);
  else if (dice.one_in(12))
    at->second = random_attribute(dice);
  else
    std::visit(ValueMutation{dice}, at->second);
}

}  // namespace tally::test
