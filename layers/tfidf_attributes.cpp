#include "tally/layers/tfidf_attributes.h"

#include <algorithm>
#include <numeric>

#include "tally/engine/error.h"

namespace tally {

namespace {

constexpr int64_t kMostOutputs = int64_t{1} << 40;

void require(const Node& node, const std::string& key) {
  if (!node.has(key)) fail(node.label(), "no " + key, "must have the attribute " + key);
}

int64_t required_int(const Node& node, const std::string& key, int64_t least) {
  require(node, key);
  const int64_t value = node.get_int(key, 0);
  if (value < least) fail(node.label(), text(key, "=", value), text("must be at least ", least));
  return value;
}

std::vector<int64_t> required_ints(const Node& node, const std::string& key) {
  require(node, key);
  std::vector<int64_t> values = node.get_ints(key);
  if (values.empty()) fail(node.label(), key + " without elements", "must have some");
  return values;
}

/// An exporter may write the pool that it has not as an empty list.
void refuse_strings(const Node& node) {
  const auto found = node.attributes.find("pool_strings");
  if (found == node.attributes.end()) return;
  const auto* strings = std::get_if<std::vector<std::string>>(&found->second);
  if (strings == nullptr || !strings->empty())
    fail(node.label(), "pool_strings", "must be pool_int64s (out of scope: strings)");
}

TfIdfMode mode_of(const Node& node) {
  require(node, "mode");
  const std::string mode = node.get_string("mode", "");
  if (mode == "TF") return TfIdfMode::tf;
  if (mode == "IDF") return TfIdfMode::idf;
  if (mode == "TFIDF") return TfIdfMode::tfidf;
  fail(node.label(), "mode='" + mode + "'", "must be TF, IDF or TFIDF");
}

/// Where the n-grams of one length lie in the pool.
struct Section {
  int64_t n, begin, count;  ///< begin: element of the pool
  int64_t first;            ///< number of the first among the n-grams of all lengths
};

std::vector<Section> sections_of(const Node& node, const std::vector<int64_t>& starts, int64_t pool) {
  std::vector<Section> sections;
  int64_t least = 0, grams = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    if (starts[i] < least || starts[i] > pool)
      fail(node.label(), text("ngram_counts[", i, "]=", starts[i]),
           text("must be ", least, " to ", pool, ": in order, within pool_int64s"));
    least = starts[i];
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t n = static_cast<int64_t>(i) + 1;
    const int64_t elements = (i + 1 < starts.size() ? starts[i + 1] : pool) - starts[i];
    if (elements % n != 0)
      fail(node.label(), text(elements, " elements of pool_int64s for ", n, "-grams"),
           text("must be a multiple of ", n));
    sections.push_back({n, starts[i], elements / n, grams});
    grams += elements / n;
  }
  return sections;
}

/// Sorts the n-grams of a section, and their coordinates with them.
GramLevel level_of(const Node& node, const Section& section, const std::vector<int64_t>& pool,
                   const std::vector<int64_t>& coordinates) {
  const int64_t n = section.n;
  const auto gram = [&](int64_t i) { return pool.begin() + section.begin + i * n; };
  std::vector<int64_t> order(static_cast<size_t>(section.count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::lexicographical_compare(gram(a), gram(a) + n, gram(b), gram(b) + n);
  });
  GramLevel level;
  level.n = n;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && std::equal(gram(order[i]), gram(order[i]) + n, gram(order[i - 1])))
      fail(node.label(), text(n, "-gram ", order[i], " of pool_int64s"), text("must differ from ", order[i - 1]));
    level.grams.insert(level.grams.end(), gram(order[i]), gram(order[i]) + n);
    level.coordinates.push_back(coordinates[static_cast<size_t>(section.first + order[i])]);
  }
  return level;
}

int64_t outputs_of(const Node& node, const std::vector<int64_t>& coordinates) {
  for (size_t i = 0; i < coordinates.size(); ++i)
    if (coordinates[i] < 0 || coordinates[i] >= kMostOutputs)
      fail(node.label(), text("ngram_indexes[", i, "]=", coordinates[i]), "must be 0 to 2^40 - 1");
  return *std::max_element(coordinates.begin(), coordinates.end()) + 1;
}

/// The attribute holds as many weights as the pool n-grams, whatever their coordinates.
std::vector<float> weights_of(const Node& node, TfIdfMode mode, size_t grams, int64_t outputs) {
  std::vector<float> weights = node.get_floats("weights");
  if (weights.empty()) return {};
  if (weights.size() != grams)
    fail(node.label(), text(weights.size(), " weights"), text("must be ", grams, ", one of each of ngram_indexes"));
  if (mode == TfIdfMode::tf) return {};
  if (outputs > static_cast<int64_t>(weights.size()))
    fail(node.label(), text("ngram_indexes up to ", outputs - 1),
         text("must be below ", weights.size(), ", the number of weights"));
  return weights;
}

}  // namespace

TfIdfAttributes read_tfidf_attributes(const Node& node) {
  refuse_strings(node);
  TfIdfAttributes attributes;
  attributes.mode = mode_of(node);
  attributes.max_skips = required_int(node, "max_skip_count", 0);
  const int64_t least = required_int(node, "min_gram_length", 1), most = required_int(node, "max_gram_length", least);
  const std::vector<int64_t> pool = required_ints(node, "pool_int64s"), starts = required_ints(node, "ngram_counts"),
                             coordinates = required_ints(node, "ngram_indexes");
  if (most > static_cast<int64_t>(starts.size()))
    fail(node.label(), text("max_gram_length=", most),
         text("must be at most ", starts.size(), ", the length of ngram_counts"));
  const std::vector<Section> sections = sections_of(node, starts, static_cast<int64_t>(pool.size()));
  if (const int64_t grams = sections.back().first + sections.back().count;
      grams != static_cast<int64_t>(coordinates.size()))
    fail(node.label(), text(coordinates.size(), " elements of ngram_indexes"),
         text("must be ", grams, ", one of each n-gram of the pool"));
  attributes.outputs = outputs_of(node, coordinates);
  attributes.weights = weights_of(node, attributes.mode, coordinates.size(), attributes.outputs);
  for (const Section& section : sections)
    if (section.n >= least && section.n <= most && section.count > 0)
      attributes.levels.push_back(level_of(node, section, pool, coordinates));
  return attributes;
}

}  // namespace tally
