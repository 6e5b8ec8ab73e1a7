#include "tools/input/sampling.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <vector>

using namespace tally::tools;

namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInf = std::numeric_limits<float>::infinity();

std::map<int64_t, int> counts(const SamplingOptions& options, const std::vector<float>& logits, int draws) {
  Sampler sampler(options);
  std::map<int64_t, int> found;
  for (int i = 0; i < draws; ++i) ++found[sampler.draw(logits)];
  return found;
}

}  // namespace

TEST_CASE("greedy takes the largest logit, the first of equal ones") {
  Sampler sampler({});
  CHECK(sampler.draw(std::vector<float>{1, 3, 2}) == 1);
  CHECK(sampler.draw(std::vector<float>{1, 3, 3}) == 1);
  CHECK(sampler.draw(std::vector<float>{-5}) == 0);
}

TEST_CASE("logits that are not finite are never drawn") {
  Sampler sampler({});
  CHECK(sampler.draw(std::vector<float>{kNan, 1, kInf, 2}) == 3);
  CHECK(sampler.draw(std::vector<float>{kNan, kInf, -kInf}) == -1);
  CHECK(sampler.draw({}) == -1);
  const auto found = counts({.temperature = 2, .seed = 3}, {kNan, 0, kInf, 0}, 200);
  CHECK(found.size() == 2);
  CHECK(found.contains(1));
  CHECK(found.contains(3));
}

TEST_CASE("temperature and top-k shape what is drawn") {
  // p = 1/2, 1/4, 1/4 at temperature 1.
  const std::vector<float> logits = {0.69314718f, 0, 0};
  const auto found = counts({.temperature = 1, .seed = 11}, logits, 40000);
  CHECK(found.at(0) == doctest::Approx(20000).epsilon(0.03));
  CHECK(found.at(1) == doctest::Approx(10000).epsilon(0.05));
  // At temperature 1/2 the weights are squared: 4 : 1 : 1.
  const auto cold = counts({.temperature = 0.5, .seed = 11}, logits, 40000);
  CHECK(cold.at(0) == doctest::Approx(40000 * 4 / 6).epsilon(0.03));
  const auto two = counts({.temperature = 1, .top_k = 2, .seed = 5}, {0, 1, 0}, 1000);
  CHECK(two.size() == 2);
  CHECK_FALSE(two.contains(2));
  CHECK(counts({.temperature = 1, .top_k = 1, .seed = 5}, {0, 1, 0}, 100).size() == 1);
}

TEST_CASE("the same seed draws the same tokens") {
  const std::vector<float> logits = {0.1f, 0.2f, 0.3f, 0.4f};
  std::vector<int64_t> first, second, other;
  Sampler a({.temperature = 1, .seed = 7}), b({.temperature = 1, .seed = 7}), c({.temperature = 1, .seed = 8});
  for (int i = 0; i < 50; ++i) {
    first.push_back(a.draw(logits));
    second.push_back(b.draw(logits));
    other.push_back(c.draw(logits));
  }
  CHECK(first == second);
  CHECK(first != other);
}
