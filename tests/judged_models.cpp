// Writes models for the judge: `tally_judged_models [--whole] DIR`. The small ones each take kernels where LeNet-5 does
// not go; --whole adds MobileNetV2, which the observers take minutes for.
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "tally/engine/onnx/writer.h"
#include "tally/layers/builder.h"

using namespace tally;

namespace {

/// Values that differ and are exact in float16.
Tensor weights(DType type, const Shape& shape) {
  Tensor t(type, shape);
  for (int64_t i = 0; i < t.elements(); ++i) {
    const float value = static_cast<float>(i * 37 % 64 - 32) / 64;
    if (type == DType::f16)
      t.mutable_values<Half>()[static_cast<size_t>(i)] = to_half(value);
    else
      t.mutable_values<float>()[static_cast<size_t>(i)] = value;
  }
  return t;
}

/// Padding on every side and unevenly, strides, dilation, groups; channels in plain and in channels_last.
Graph padded_convolutions() {
  Builder b;
  const auto constant = [&](const Shape& shape) { return b.constant(weights(DType::f32, shape)); };
  auto x = b.named(b.input({1, 3, 17, 19}), "x");
  x = b.relu(b.conv(x, constant({5, 3, 3, 3}), constant({5}), {.pads = {1, 0, 2, 1}}));
  x = b.conv(x, constant({20, 5, 3, 5}), constant({20}),
             {.strides = {2, 1}, .pads = {1, 4, 1, 4}, .dilations = {1, 2}});
  x = b.conv(x, constant({20, 1, 3, 3}), {}, {.pads = {1, 1, 1, 1}, .group = 20});
  x = b.max_pool(x, {3, 3}, {.strides = {2, 2}, .pads = {1, 1, 1, 1}});
  x = b.tanh(b.conv(x, constant({33, 20, 1, 1}), constant({33})));
  b.output(b.softmax(b.flatten(b.global_average_pool(x))));
  return b.graph();
}

/// Products of two activations, and one whose left side broadcasts.
Graph batched_products() {
  Builder b;
  const auto a = b.named(b.input({2, 3, 5, 7}), "a"), c = b.named(b.input({2, 3, 7, 18}), "c");
  const auto ac = b.matmul(a, c);
  b.output(b.matmul(ac, b.constant(weights(DType::f32, {3, 18, 11}))));
  b.output(b.matmul(b.constant(weights(DType::f32, {4, 5})), ac));
  return b.graph();
}

/// Convolutions in three dimensions and transposed, pooling of volumes, contractions.
Graph volumes() {
  using Ints = std::vector<int64_t>;
  Builder b;
  const auto constant = [&](const Shape& shape) { return b.constant(weights(DType::f32, shape)); };
  auto x = b.named(b.input({2, 3, 6, 7, 9}), "x");
  x = b.relu(b.conv(x, constant({18, 3, 3, 3, 2}), constant({18}),
                    {.strides = {2, 1, 1}, .pads = {1, 1, 0, 0, 1, 1}, .dilations = {1, 1, 2}}));
  x = b.node("ConvTranspose", {x, constant({18, 5, 2, 3, 4}), constant({5})},
             {{"strides", Ints{2, 2, 1}}, {"pads", Ints{0, 1, 1, 0, 1, 2}}})[0];
  x = b.average_pool(x, {2, 3, 2}, {.strides = {1, 2, 2}, .pads = {0, 1, 0, 1, 1, 0}});
  x = b.node("Einsum", {x, constant({5, 2, 9})}, {{"equation", std::string("ncdhw,cko->kdnwo")}})[0];
  b.output(b.node("Einsum", {x, x}, {{"equation", std::string("kdnwo,kenwo->kdne")}})[0]);
  return b.graph();
}

/// float16 takes plain loops: products, and no lanes.
Graph half_precision() {
  Builder b;
  const auto constant = [&](const Shape& shape) { return b.constant(weights(DType::f16, shape)); };
  auto x = b.named(b.input({1, 2, 9, 9}, DType::f16), "x");
  x = b.relu(b.conv(x, constant({4, 2, 3, 3}), constant({4}), {.pads = {1, 1, 1, 1}}));
  x = b.flatten(b.max_pool(x, {3, 3}, {.strides = {3, 3}}));
  b.output(b.gemm(x, constant({36, 10}), constant({10}), {}));
  return b.graph();
}

/// A network whose layers follow one another, with weights made up.
struct Chain {
  Builder b;
  Builder::Value x;
  int64_t channels;

  explicit Chain(const Shape& image) : channels(image[1]) { x = b.named(b.input(image), "x"); }

  Builder::Value constant(const Shape& shape) { return b.constant(weights(DType::f32, shape)); }
  void conv(int64_t outputs, const Shape& kernel, const Builder::ConvOptions& options) {
    x = b.conv(x, constant({outputs, channels / options.group, kernel[0], kernel[1]}), constant({outputs}), options);
    channels = outputs;
  }
  void depthwise(int64_t stride) {
    conv(channels, {3, 3}, {.strides = {stride, stride}, .pads = {1, 1, 1, 1}, .group = channels});
  }
  void pointwise(int64_t outputs) { conv(outputs, {1, 1}, {}); }
  Graph classified(int64_t classes) {
    const auto pooled = b.flatten(b.global_average_pool(x));
    b.output(b.linear(pooled, constant({classes, channels}), constant({classes})));
    return b.graph();
  }
};

/// Keyword spotting over 49 frames of 10 coefficients, 12 classes (Zhang et al. 2017, DS-CNN S; batch norm folded).
Graph ds_cnn() {
  Chain net({1, 1, 49, 10});
  net.conv(64, {10, 4}, {.strides = {2, 2}, .auto_pad = "SAME_UPPER"});
  net.x = net.b.relu(net.x);
  for (int block = 0; block < 4; ++block) {
    net.depthwise(1);
    net.x = net.b.relu(net.x);
    net.pointwise(64);
    net.x = net.b.relu(net.x);
  }
  return net.classified(12);
}

/// MobileNetV2 of width 1 (Sandler et al. 2018, table 2; batch norm folded) on 96 × 96, which takes every kernel that
/// 224 × 224 takes in a sixth of the time.
Graph mobilenet_v2() {
  struct Stage {
    int64_t expansion, channels, blocks, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  Chain net({1, 3, 96, 96});
  const auto relu6 = [&] { net.x = net.b.clip(net.x, 0, 6); };
  net.conv(32, {3, 3}, {.strides = {2, 2}, .pads = {1, 1, 1, 1}});
  relu6();
  for (const Stage& stage : kStages)
    for (int64_t block = 0; block < stage.blocks; ++block) {
      const auto shortcut = net.x;
      const int64_t inputs = net.channels, stride = block == 0 ? stage.stride : 1;
      if (stage.expansion > 1) {
        net.pointwise(inputs * stage.expansion);
        relu6();
      }
      net.depthwise(stride);
      relu6();
      net.pointwise(stage.channels);
      if (stride == 1 && inputs == stage.channels) net.x = net.b.add(net.x, shortcut);
    }
  net.pointwise(1280);
  relu6();
  return net.classified(1000);
}

}  // namespace

int main(int argc, char** argv) {
  const bool whole = argc == 3 && std::string_view(argv[1]) == "--whole";
  if (argc != 2 && !whole) {
    std::fprintf(stderr, "usage: tally_judged_models [--whole] DIR\n");
    return 2;
  }
  const std::filesystem::path folder = argv[argc - 1];
  write_onnx(padded_convolutions(), folder / "padded_convolutions.onnx");
  write_onnx(batched_products(), folder / "batched_products.onnx");
  write_onnx(volumes(), folder / "volumes.onnx");
  write_onnx(half_precision(), folder / "half_precision.onnx");
  write_onnx(ds_cnn(), folder / "ds_cnn.onnx");
  if (whole) write_onnx(mobilenet_v2(), folder / "mobilenet_v2.onnx");
  return 0;
}
