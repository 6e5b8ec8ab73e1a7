// TfIdfVectorizer against every n-gram written out and looked up in a map.
#include <algorithm>
#include <chrono>
#include <limits>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;
using Ints = std::vector<int64_t>;
using Attributes = std::map<std::string, Attribute>;

/// Attributes as a node has them: pools[n − 1] holds the n-grams of length n.
struct Problem {
  std::vector<std::vector<Ints>> pools;
  Ints coordinates;  ///< of all n-grams in that order
  std::vector<float> weights;
  int64_t least = 1, most = 1, skips = 0;
  std::string mode = "TF";

  Attributes attributes() const {
    Ints pool, starts;
    for (const std::vector<Ints>& grams : pools) {
      starts.push_back(static_cast<int64_t>(pool.size()));
      for (const Ints& gram : grams) pool.insert(pool.end(), gram.begin(), gram.end());
    }
    Attributes all{{"mode", mode},           {"min_gram_length", least}, {"max_gram_length", most},
                   {"pool_int64s", pool},    {"ngram_counts", starts},   {"ngram_indexes", coordinates},
                   {"max_skip_count", skips}};
    if (!weights.empty()) all["weights"] = weights;
    return all;
  }
  int64_t outputs() const { return *std::max_element(coordinates.begin(), coordinates.end()) + 1; }
};

/// Y of one row.
std::vector<double> expected_row(const Problem& p, const Ints& x) {
  std::map<Ints, int64_t> coordinate_of;
  size_t gram = 0;
  for (const std::vector<Ints>& grams : p.pools)
    for (const Ints& g : grams) coordinate_of[g] = p.coordinates[gram++];
  std::vector<double> y(static_cast<size_t>(p.outputs()), 0);
  for (int64_t n = p.least; n <= p.most; ++n)
    for (int64_t skip = 0; skip <= (n == 1 ? 0 : std::min<int64_t>(p.skips, 1000)); ++skip)
      for (size_t i = 0; i < x.size(); ++i) {
        Ints found;
        for (size_t at = i; at < x.size() && std::ssize(found) < n; at += static_cast<size_t>(skip) + 1)
          found.push_back(x[at]);
        if (std::ssize(found) < n || !coordinate_of.contains(found)) continue;
        y[static_cast<size_t>(coordinate_of[found])] += 1;
      }
  for (size_t j = 0; j < y.size(); ++j) {
    if (p.mode == "IDF") y[j] = y[j] > 0 ? 1 : 0;
    if (p.mode != "TF" && !p.weights.empty()) y[j] = static_cast<float>(static_cast<float>(y[j]) * p.weights[j]);
  }
  return y;
}

/// Distinct n-grams of a few letters, some lengths without any.
Problem random_problem(std::mt19937& random, int64_t letters) {
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Problem p;
  const int64_t lengths = 1 + pick(4);
  int64_t grams = 0;
  for (int64_t n = 1; n <= lengths; ++n) {
    std::set<Ints> distinct;
    for (int64_t k = pick(4) == 0 ? 0 : 1 + pick(9); k > 0; --k) {
      Ints gram;
      for (int64_t i = 0; i < n; ++i) gram.push_back(pick(letters) - 1);
      distinct.insert(gram);
    }
    if (n == lengths && grams == 0) distinct.insert(Ints(static_cast<size_t>(n), 0));
    p.pools.emplace_back(distinct.begin(), distinct.end());
    std::shuffle(p.pools.back().begin(), p.pools.back().end(), random);
    grams += std::ssize(distinct);
  }
  p.least = 1 + pick(lengths);
  p.most = p.least + pick(lengths - p.least + 1);
  p.skips = pick(8) == 0 ? std::numeric_limits<int64_t>::max() : pick(4);
  p.mode = std::vector<std::string>{"TF", "IDF", "TFIDF"}[static_cast<size_t>(pick(3))];
  const bool weighted = pick(2) == 0;
  // Gaps in Y, and n-grams that share an element of it; weights reach as far as there are n-grams.
  for (int64_t g = 0; g < grams; ++g) {
    p.coordinates.push_back(pick(weighted ? grams : 2 * grams));
    if (weighted) p.weights.push_back(static_cast<float>(pick(2000) - 1000) / 7);
  }
  return p;
}

TEST_CASE("TfIdfVectorizer: pools, lengths, skips, modes, weights, ranks and types at random") {
  std::mt19937 random(9);
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const int64_t letters = 2 + pick(4), N = pick(12) == 0 ? 0 : 1 + pick(3), C = pick(12) == 0 ? 0 : 1 + pick(20);
    const Problem p = random_problem(random, letters);
    const bool batch = N != 1 || pick(2) == 0;
    std::vector<double> x, expected;
    for (int64_t r = 0; r < N; ++r) {
      Ints row;
      for (int64_t i = 0; i < C; ++i) row.push_back(pick(letters) - 1);
      x.insert(x.end(), row.begin(), row.end());
      const std::vector<double> y = expected_row(p, row);
      expected.insert(expected.end(), y.begin(), y.end());
    }
    const DType type = pick(2) == 0 ? DType::i32 : DType::i64;
    const Ran ran = run_graph(
        one_node("TfIdfVectorizer", {typed_tensor(type, batch ? Shape{N, C} : Shape{C}, x)}, p.attributes(), 9),
        best_isa());
    CHECK(ran.outputs[0].dtype() == DType::f32);
    CHECK(ran.outputs[0].shape() == (batch ? Shape{N, p.outputs()} : Shape{p.outputs()}));
    CHECK(ran.outputs[0].to_double() == expected);
    CHECK(ran.plan->rows[0].varies.empty());
  }
}

/// The pairs of the operator's own text: what two skips give beside none and one.
const Problem kPairs{{{}, {{94, 12}, {17, 28}, {94, 17}, {94, 36}, {36, 17}}}, {0, 1, 2, 3, 4}, {}, 2, 2, 0, "TF"};
const Ints kText{94, 17, 36, 12, 28};

std::vector<double> counts_of(const Problem& p, const Ints& x) {
  return result_of("TfIdfVectorizer", {Tensor::of_int64(x)}, p.attributes());
}

TEST_CASE("TfIdfVectorizer: the example of the operator's text; skips count up to their bound") {
  Problem p = kPairs;
  CHECK(counts_of(p, kText) == std::vector<double>{0, 0, 1, 0, 0});
  p.skips = 1;
  CHECK(counts_of(p, kText) == std::vector<double>{0, 0, 1, 1, 0});
  p.skips = 2;
  CHECK(counts_of(p, kText) == std::vector<double>{1, 1, 1, 1, 0});
}

TEST_CASE("TfIdfVectorizer: n-grams overlap, and those of one element count once whatever the skips") {
  const Problem p{{{{5}}, {{5, 5}}}, {0, 1}, {}, 1, 2, 2, "TF"};
  CHECK(counts_of(p, {5, 5, 5, 5}) == std::vector<double>{4, 3 + 2 + 1});
}

TEST_CASE("TfIdfVectorizer: weights belong to coordinates; IDF counts once; TF leaves weights alone") {
  Problem p{{{{7}, {8}, {9}}}, {2, 0, 1}, {0.5F, 0.25F, 3}, 1, 1, 0, "TFIDF"};
  const Ints x{7, 7, 9, 1};
  CHECK(counts_of(p, x) == std::vector<double>{0, 0.25, 6});
  p.mode = "IDF";
  CHECK(counts_of(p, x) == std::vector<double>{0, 0.25, 3});
  p.mode = "TF";
  CHECK(counts_of(p, x) == std::vector<double>{0, 1, 2});
  p.coordinates = {9, 0, 1};  // beyond the weights, which are not read
  CHECK(counts_of(p, x) == std::vector<double>{0, 1, 0, 0, 0, 0, 0, 0, 0, 2});
  p.weights = {};
  p.coordinates = {2, 0, 1};
  p.mode = "TFIDF";
  CHECK(counts_of(p, x) == std::vector<double>{0, 1, 2});
  p.mode = "IDF";
  CHECK(counts_of(p, x) == std::vector<double>{0, 1, 1});
}

TEST_CASE("TfIdfVectorizer: the ends of int64 and int32") {
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min(), kHigh = std::numeric_limits<int64_t>::max();
  const Problem wide{{{{kLow}, {kHigh}, {0}, {-1}}}, {0, 1, 2, 3}, {}, 1, 1, 0, "TF"};
  CHECK(counts_of(wide, {kHigh, kLow, -1, kLow}) == std::vector<double>{2, 1, 0, 1});
  const Problem narrow{{{{-2147483648}, {2147483647}, {2147483648}}}, {0, 1, 2}, {}, 1, 1, 0, "TF"};
  CHECK(result_of("TfIdfVectorizer", {typed_tensor(DType::i32, {3}, {-2147483648.0, 2147483647, 0})},
                  narrow.attributes()) == std::vector<double>{1, 1, 0});
}

/// Rows of 6. 3 1-grams: 6 are looked up in ⌈log2 3⌉ + 1 = 3 comparisons each. 4 2-grams, up to one left out:
/// 5 + 4 = 9 in 2 + 1 = 3 comparisons of 2 elements each. 1 3-gram: 4 + 2 = 6 in one comparison of 3 elements.
TEST_CASE("TfIdfVectorizer: the formula against an example worked by hand") {
  Problem p{{{{1}, {2}, {3}}, {{1, 2}, {2, 1}, {1, 1}, {2, 2}}, {{1, 2, 1}}},
            {0, 1, 2, 3, 4, 5, 6, 7},
            {1, 2, 3, 4, 5, 6, 7, 8},
            1,
            3,
            1,
            "TF"};
  const auto ran_in = [&](const std::string& mode) {
    p.mode = mode;
    return run_graph(one_node("TfIdfVectorizer", {Tensor(DType::i32, {2, 6})}, p.attributes()), best_isa());
  };
  const int64_t pairs = 6 * 3 + 9 * 3 * 2 + 6 * 1 * 3, grams = 6 + 9 + 6;
  const auto cost = [&](const std::string& mode) { return ran_in(mode).plan->estimate.layers[0].cost; };
  CHECK(cost("TF").comparisons == 2 * pairs);
  CHECK(cost("TF").elementwise == 2 * grams);
  CHECK(cost("TFIDF").comparisons == 2 * pairs);
  CHECK(cost("TFIDF").elementwise == 2 * (grams + 8));
  CHECK(cost("IDF").comparisons == 2 * (pairs + 8));
  CHECK(cost("IDF").elementwise == 2 * (grams + 8));
  CHECK(cost("TF").coverage == Coverage::approximate);
  CHECK(cost("TF").macs == 0);
  const Ran ran = ran_in("TFIDF");
  CHECK(ran.executed().bytes_loaded == 2 * (pairs * (4 + 8) + grams * (8 + 8) + 8 * (8 + 4)));
  CHECK(ran.executed().bytes_stored == 2 * (8 * 8 + grams * 8 + 8 * 4));
  CHECK(ran.plan->rows[0].ideal.bytes_read == 2 * 6 * 4);
  CHECK(ran.plan->rows[0].ideal.bytes_written == 2 * 8 * 4);
}

TEST_CASE("TfIdfVectorizer: constant rows are known at load; rows may be time steps, their elements may not") {
  GraphMaker g;
  g.constant("x", Tensor::of_int64(kText)).node("TfIdfVectorizer", {"x"}, "y", kPairs.attributes());
  g.input("z", float_tensor({5}, {0, 0, 0, 0, 1})).node("Add", {"y", "z"}, "s").output("s");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->rows.size() == 1);
  CHECK(ran.outputs[0].to_double() == std::vector<double>{0, 0, 1, 0, 1});
  CHECK(stream_of("TfIdfVectorizer", {{4, 5}}, {0}, kPairs.attributes()).time_axes == std::vector<int>{0});
  for (const Shape& shape : {Shape{4, 5}, Shape{5}})
    CHECK(stream_of("TfIdfVectorizer", {shape}, {static_cast<int>(shape.size()) - 1}, kPairs.attributes()).obstacle ==
          "combines elements of several time steps");
}

/// The error of kPairs on kText with one attribute replaced.
std::string error_with(const std::string& key, Attribute value) {
  Attributes attributes = kPairs.attributes();
  attributes[key] = std::move(value);
  return error_text(one_node("TfIdfVectorizer", {Tensor::of_int64(kText)}, attributes));
}

TEST_CASE("TfIdfVectorizer: attributes that contradict each other name node, found and required") {
  CHECK(error_with("mode", std::string("TF")) == "no error");
  CHECK(error_with("mode", std::string("tf")) == "TfIdfVectorizer 'y': mode='tf' must be TF, IDF or TFIDF");
  CHECK(error_with("max_skip_count", int64_t{-1}) == "TfIdfVectorizer 'y': max_skip_count=-1 must be at least 0");
  CHECK(error_with("min_gram_length", int64_t{0}) == "TfIdfVectorizer 'y': min_gram_length=0 must be at least 1");
  CHECK(error_with("max_gram_length", int64_t{1}) == "TfIdfVectorizer 'y': max_gram_length=1 must be at least 2");
  CHECK(error_with("max_gram_length", int64_t{3}) ==
        "TfIdfVectorizer 'y': max_gram_length=3 must be at most 2, the length of ngram_counts");
  CHECK(error_with("ngram_counts", Ints{0, 11}) ==
        "TfIdfVectorizer 'y': ngram_counts[1]=11 must be 0 to 10: in order, within pool_int64s");
  CHECK(error_with("ngram_counts", Ints{2, 0}) ==
        "TfIdfVectorizer 'y': ngram_counts[1]=0 must be 2 to 10: in order, within pool_int64s");
  CHECK(error_with("ngram_counts", Ints{-2, 0}) ==
        "TfIdfVectorizer 'y': ngram_counts[0]=-2 must be 0 to 10: in order, within pool_int64s");
  CHECK(error_with("ngram_counts", Ints{0, 1}) ==
        "TfIdfVectorizer 'y': 9 elements of pool_int64s for 2-grams must be a multiple of 2");
  CHECK(error_with("ngram_indexes", Ints{0, 1, 2}) ==
        "TfIdfVectorizer 'y': 3 elements of ngram_indexes must be 5, one of each n-gram of the pool");
  CHECK(error_with("ngram_indexes", Ints{0, 1, -1, 2, 3}) ==
        "TfIdfVectorizer 'y': ngram_indexes[2]=-1 must be 0 to 2^40 - 1");
  CHECK(error_with("ngram_indexes", Ints{0, 1, std::numeric_limits<int64_t>::max(), 2, 3}).find("must be 0 to 2^40") !=
        std::string::npos);
  CHECK(error_with("ngram_indexes", Ints{}) == "TfIdfVectorizer 'y': ngram_indexes without elements must have some");
  CHECK(error_with("pool_int64s", Ints{1, 2, 3, 4, 1, 2, 5, 6, 7, 8}) ==
        "TfIdfVectorizer 'y': 2-gram 2 of pool_int64s must differ from 0");
  CHECK(error_with("weights", std::vector<float>{1, 2}) ==
        "TfIdfVectorizer 'y': 2 weights must be 5, one of each of ngram_indexes");
  CHECK(error_with("pool_strings", std::vector<std::string>{"a"}) ==
        "TfIdfVectorizer 'y': pool_strings must be pool_int64s (out of scope: strings)");
  CHECK(error_with("pool_strings", std::vector<std::string>{}) == "no error");
  Problem p = kPairs;
  p.mode = "IDF";
  p.weights = {1, 2, 3, 4, 5};
  p.coordinates = {0, 1, 2, 3, 5};
  CHECK(error_text(one_node("TfIdfVectorizer", {Tensor::of_int64(kText)}, p.attributes())) ==
        "TfIdfVectorizer 'y': ngram_indexes up to 5 must be below 5, the number of weights");
  for (const auto& [key, value] : kPairs.attributes()) {
    Attributes attributes = kPairs.attributes();
    attributes.erase(key);
    CHECK(error_text(one_node("TfIdfVectorizer", {Tensor::of_int64(kText)}, attributes)) ==
          "TfIdfVectorizer 'y': no " + key + "; must have the attribute " + key);
  }
}

TEST_CASE("TfIdfVectorizer: operands and sizes out of bounds") {
  const auto error_on = [](const Tensor& x, const Attributes& attributes) {
    return error_text(one_node("TfIdfVectorizer", {x}, attributes));
  };
  const Attributes pairs = kPairs.attributes();
  CHECK(error_on(Tensor(DType::f32, {5}), pairs) == "TfIdfVectorizer 'y': X of type float32 must be int32 or int64");
  CHECK(error_on(Tensor(DType::i64, {}), pairs) == "TfIdfVectorizer 'y': X of shape scalar must have rank 1 or 2");
  CHECK(error_on(Tensor(DType::i64, {1, 1, 1}), pairs) ==
        "TfIdfVectorizer 'y': X of shape 1x1x1 must have rank 1 or 2");
  Problem p = kPairs;
  p.coordinates[0] = (int64_t{1} << 40) - 1;
  CHECK(error_on(Tensor::of_int64(kText), p.attributes()) != "no error");
  p = kPairs;
  p.skips = std::numeric_limits<int64_t>::max();
  CHECK(error_on(Tensor(DType::i64, {500'000}), p.attributes()) ==
        "model: 124999750000 operations beside MACs an inference must be at most 100000000000 (--max-macs)");
  // Whatever a caller allows, nothing overflows.
  const auto layer = registry().make({"y", "TfIdfVectorizer", "", "", {"x"}, {"y"}, p.attributes(), 9});
  const auto error_of_rows = [&](const Shape& shape) {
    const Operand x{DType::i32, shape, nullptr, "x", true};
    try {
      layer->cost({&x, 1}, layer->infer({&x, 1}));
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::limit);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of_rows({(int64_t{1} << 30) + 1}) == "TfIdfVectorizer 'y': C=1073741825 must be at most 1073741824");
  CHECK(error_of_rows({int64_t{1} << 30}) ==
        "TfIdfVectorizer 'y': comparisons of 576460751766552576 2-grams a row must be at most 72057594037927936");
  CHECK(error_of_rows({int64_t{1} << 40, 1 << 20}).find("must be at most 65536") != std::string::npos);
  CHECK(error_of_rows({int64_t{1} << 40, 2}) == "no error");
  CHECK(error_of_rows({int64_t{1} << 60, 2}) != "no error");
}

/// Lists as a broken exporter or an attacker would write them.
TEST_CASE("TfIdfVectorizer: attributes at random run or say why not") {
  std::mt19937 random(3);
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  const auto number = [&] {
    constexpr int64_t kOdd[] = {INT64_MIN, INT64_MAX, -1, int64_t{1} << 40, int64_t{1} << 31, 100000};
    return pick(6) == 0 ? kOdd[pick(6)] : pick(6);
  };
  const auto numbers = [&](int64_t most) {
    Ints list(static_cast<size_t>(pick(most)));
    for (int64_t& v : list) v = number();
    return list;
  };
  int ran = 0, refused = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 4000; ++round) {
    CAPTURE(round);
    Attributes attributes = random_problem(random, 4).attributes();
    for (const char* key : {"min_gram_length", "max_gram_length", "max_skip_count"})
      if (pick(8) == 0) attributes[key] = number();
    for (const char* key : {"pool_int64s", "ngram_counts", "ngram_indexes"})
      if (pick(8) == 0) attributes[key] = numbers(8);
    if (pick(8) == 0) attributes["weights"] = std::vector<float>(static_cast<size_t>(pick(8)), NAN);
    const Tensor x(pick(2) == 0 ? DType::i32 : DType::i64, pick(2) == 0 ? Shape{pick(9)} : Shape{pick(3), pick(9)});
    LoadOptions options;
    options.max_memory = size_t{16} << 20;
    try {
      Context context(CompiledModel(one_node("TfIdfVectorizer", {x}, attributes).graph, registry(), options));
      context.run();
      ++ran;
    } catch (const Error& error) {
      CHECK_MESSAGE(error.code != ErrorCode::internal, std::string(error.what()));
      CHECK(!error.required.empty());
      ++refused;
    }
  }
  CHECK(ran > 400);
  CHECK(refused > 400);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::minutes(1));
}

}  // namespace
