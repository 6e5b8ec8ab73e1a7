#include "tools/estimate/storage.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/layers/builder.h"

using namespace tally;
using namespace tally::tools;

namespace {

/// Two layers that share a matrix, a table that is added twice, a half-precision tail.
Estimate shared() {
  Builder b;
  const auto w = b.constant(Tensor::without_data(DType::f32, {4, 4}));
  const auto table = b.constant(Tensor::without_data(DType::f32, {3, 4}));
  const auto x = b.add(b.matmul(b.input({3, 4}), w), table);
  b.output(b.add(b.matmul(x, w), table));
  b.output(b.matmul(b.input({1, 5}, DType::f16), b.constant(Tensor::without_data(DType::f16, {5, 2}))));
  return Model(b.graph(), {.weights = false}).estimate();
}

}  // namespace

TEST_CASE("model bytes: each tensor once, as stored and by format") {
  const StoredValues stored = stored_values(shared());
  CHECK(stored.elements == 16 + 12 + 10);
  CHECK(stored.bytes == 4 * 28 + 2 * 10);
  const auto json = storage_json(shared());
  CHECK(json["stored"] == 132);
  CHECK(json["fp32"] == 4 * 38);
  CHECK(json["fp16"] == 2 * 38);
  CHECK(json["int8"] == 38);
}

TEST_CASE("training: values, gradients and what optimizers keep") {
  Builder b;  // Linear 100 → 10: 2·((n+1)k + n + k)
  b.output(b.linear(b.input({1, 100}), b.constant(Tensor::without_data(DType::f32, {10, 100})),
                    b.constant(Tensor::without_data(DType::f32, {10}))));
  const Estimate estimate = Model(b.graph(), {.weights = false}).estimate();
  const TrainingSpace space = training_space(estimate);
  CHECK(space.params == 1010);
  CHECK(space.activations == 10);
  CHECK(space.inputs == 100);
  CHECK(space.elements() == estimate.totals.training_elements);
  const auto json = training_json(estimate);
  CHECK(json["training_elements"] == 2240);
  CHECK(json["gradients"]["params"] == 1010);
  CHECK(json["optimizers"]["SGD"]["state_elements"] == 0);
  CHECK(json["optimizers"]["momentum"]["elements"] == 2240 + 1010);
  CHECK(json["optimizers"]["Adam"]["bytes_fp32"] == 4 * (2240 + 2020));
  CHECK(training_part(estimate).table.rows.size() == 7);
}
