// Estimates of whole networks against tables worked out by hand, from the layers' published shapes.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "tally/layers/tally.h"

using namespace tally;

namespace {

EstimateTotals totals_of(const std::filesystem::path& file) {
  constexpr size_t kEnough = std::numeric_limits<size_t>::max() / 2;
  return Model::load(file, {.max_memory = kEnough, .weights = false}).estimate().totals;
}

}  // namespace

TEST_CASE("estimate: LeNet-5, every total") {
  // 1×32×32 → 6@28×28 → 6@14×14 → 16@10×10 → 16@5×5 → 120 → 84 → 10.
  const std::filesystem::path file = std::filesystem::path(TALLY_SOURCE_DIR) / "tools/models/lenet5_fashion.onnx";
  const Estimate estimate = Model::load(file, {.weights = false}).estimate();
  const EstimateTotals& t = estimate.totals;
  CHECK(t.params == (25 + 1) * 6 + (6 * 25 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10);  // 61,706
  CHECK(t.macs == 784 * 6 * 25 + 100 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10);       // 416,520
  CHECK(t.ops_sequential == 833'040);
  CHECK(t.ops_fused == 416'520 + 4704 + 1600 + 120 + 84 + 10);  // 423,038
  CHECK(t.comparisons == 3 * (1176 + 400) + 4704 + 1600 + 120 + 84);
  int64_t pools = 0;
  for (const NodeEstimate& row : estimate.layers)
    if (row.op == "MaxPool") pools += row.cost.comparisons;
  CHECK(pools == 4728);
  CHECK(t.comparisons == 11'236);
  CHECK(t.elementwise == 6508);
  CHECK(t.operations == 833'040 + 6508 + 4 * (1176 + 400));
  CHECK(t.activation_elements_textbook == 8094);
  CHECK(t.training_elements == 141'648);
  CHECK(t.bytes_io == 4 * (1024 + 61'706 + 10));
  CHECK(t.peak_activation_bytes == 4 * (4704 + 1176));  // conv1's map (Relu in place) while it is pooled
}

TEST_CASE("estimate: operands carry the bytes of their row, weights used twice are marked") {
  Builder b;
  const auto w = b.constant(Tensor::without_data(DType::f32, {4, 4}));
  const auto x = b.input({2, 4});
  const auto y = b.matmul(x, w);
  b.output(b.add(b.matmul(b.add(y, y), w), b.constant(Tensor::without_data(DType::f32, {2, 4}))));
  const Estimate estimate = Model(b.graph(), {.weights = false}).estimate();
  for (const NodeEstimate& row : estimate.layers) {
    CAPTURE(row.name);
    int64_t read = 0, weights = 0, written = 0;
    for (const EstimatedOperand& operand : row.operands) (operand.constant ? weights : read) += operand.bytes;
    for (const EstimatedOperand& output : row.outputs) written += output.bytes;
    CHECK(read == row.bytes_read);
    CHECK(weights == row.bytes_weights);
    CHECK(written == row.bytes_written);
    CHECK(row.live_bytes <= estimate.totals.peak_activation_bytes);
  }
  CHECK_FALSE(estimate.layers[0].operands[1].shared);
  CHECK(estimate.layers[2].operands[1].shared);
  CHECK(estimate.layers[3].operands[1].role == Role::constant);
}

TEST_CASE("estimate: networks from elsewhere") {
  const char* folder = std::getenv("TALLY_TEST_DATA");
  if (folder == nullptr) {
    MESSAGE("skipped: TALLY_TEST_DATA is not set");
    return;
  }
  struct Expected {
    const char* file;
    int64_t params, buffers, macs;
  };
  const Expected table[] = {
      // 8@28×28 from 5×5, 16@14×14 from 8×5×5, 256→10.
      {"pretrained/mnist_cntk/model.onnx", 200 + 8 + 3200 + 16 + 2560 + 10, 0, 156'800 + 627'200 + 2560},
      // 640-128⁴-8-128⁴-640, batch norm behind all but the last.
      {"pretrained/mlperf_ad01/model.onnx", 264'192 + (8 * 128 + 8 + 640) + 2 * (8 * 128 + 8), 2 * (8 * 128 + 8),
       2 * (640 * 128 + 3 * 128 * 128 + 128 * 8)},
      // MobileNetV1 × 0.25, 96×96 (MLPerf Tiny's visual wake words).
      {"pretrained/mlperf_vww_mobilenetv1/model.onnx", 216'322, 5472, 7'489'664},
      // torchvision's 3,504,872 parameters with batch norm's 2·17,056 folded into 17,056 biases.
      {"pretrained/mobilenetv2_fp32/model.onnx", 3'504'872 - 17'056, 0, 300'774'272},
      {"onnx-light/resnet50/model.onnx", 25'557'032, 53'120, 4'089'184'256},
      {"onnx-light/vgg19/model.onnx", 143'667'240, 0, 19'632'062'464},
      {"mnist-models/dscnn/model.onnx", 10'218, 704, 552'576},
      {"mnist-models/lenet5/model.onnx", 61'706, 0, 416'520},
  };
  for (const Expected& e : table) {
    CAPTURE(e.file);
    const EstimateTotals t = totals_of(std::filesystem::path(folder) / e.file);
    CHECK(t.params == e.params);
    CHECK(t.buffers == e.buffers);
    CHECK(t.macs == e.macs);
  }
}
