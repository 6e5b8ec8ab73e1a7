#include "tools/compare/alignment.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace tally::tools {

namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

/// Sets of rows that are the same work; a's rows first, then b's.
class Groups {
 public:
  explicit Groups(size_t rows) : parent_(rows) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t root(size_t row) {
    while (parent_[row] != row) row = parent_[row] = parent_[parent_[row]];
    return row;
  }
  void join(size_t x, size_t y) {
    const auto [low, high] = std::minmax({root(x), root(y)});
    parent_[high] = low;
  }

 private:
  std::vector<size_t> parent_;
};

/// A node's name and which of its occurrences it is.
using Identity = std::pair<std::string_view, size_t>;

std::map<Identity, size_t> identities(const std::vector<RecordedLayer>& layers) {
  std::map<Identity, size_t> rows;
  std::map<std::string_view, size_t> seen;
  for (size_t i = 0; i < layers.size(); ++i)
    for (const std::string& node : layers[i].nodes) rows.emplace(Identity{node, seen[node]++}, i);
  return rows;
}

/// Pairs by shared nodes; rows without one stay in pairs of their own side.
std::vector<LayerPair> by_name(const std::vector<RecordedLayer>& a, const std::vector<RecordedLayer>& b) {
  Groups groups(a.size() + b.size());
  const std::map<Identity, size_t> rows_of_b = identities(b);
  for (const auto& [node, row] : identities(a))
    if (const auto found = rows_of_b.find(node); found != rows_of_b.end()) groups.join(row, a.size() + found->second);
  std::map<size_t, LayerPair> pairs;
  for (size_t i = 0; i < a.size(); ++i) pairs[groups.root(i)].a.push_back(i);
  for (size_t j = 0; j < b.size(); ++j) pairs[groups.root(a.size() + j)].b.push_back(j);
  std::vector<LayerPair> list;
  for (auto& [root, pair] : pairs) {
    pair.match = pair.b.empty() ? Match::only_a : pair.a.empty() ? Match::only_b : Match::name;
    list.push_back(std::move(pair));
  }
  return list;
}

/// What a row without counterpart is known by: neighbour, operator, shapes; parts that do not count are empty.
using Kind = std::tuple<size_t, std::string_view, std::string_view>;

/// By row, the pair of the nearest row before it that has a counterpart.
std::vector<size_t> neighbours(const std::vector<LayerPair>& pairs, std::vector<size_t> LayerPair::*side, size_t rows) {
  std::vector<size_t> of(rows, kNone);
  for (size_t p = 0; p < pairs.size(); ++p)
    if (!pairs[p].a.empty() && !pairs[p].b.empty())
      for (const size_t row : pairs[p].*side) of[row] = p;
  for (size_t i = 1; i < rows; ++i)
    if (of[i] == kNone) of[i] = of[i - 1];
  return of;
}

/// Joins rows of one side only with such of the other, the k-th of a kind with the k-th.
void pair_by_kind(std::vector<LayerPair>& pairs, const std::vector<RecordedLayer>& a,
                  const std::vector<RecordedLayer>& b, bool near, bool shapes) {
  const std::vector<size_t> near_a = neighbours(pairs, &LayerPair::a, a.size()),
                            near_b = neighbours(pairs, &LayerPair::b, b.size());
  const auto kind = [&](const RecordedLayer& layer, size_t neighbour) -> Kind {
    return {near ? neighbour : kNone, layer.op, shapes ? std::string_view(layer.output_shapes) : std::string_view()};
  };
  std::map<Kind, std::vector<size_t>> waiting;  // pairs of a alone, in order
  for (size_t p = 0; p < pairs.size(); ++p)
    if (pairs[p].match == Match::only_a) waiting[kind(a[pairs[p].a[0]], near_a[pairs[p].a[0]])].push_back(p);
  std::map<Kind, size_t> taken;
  for (LayerPair& pair : pairs) {
    if (pair.match != Match::only_b) continue;
    const Kind of = kind(b[pair.b[0]], near_b[pair.b[0]]);
    const auto found = waiting.find(of);
    if (found == waiting.end() || taken[of] >= found->second.size()) continue;
    LayerPair& partner = pairs[found->second[taken[of]++]];
    partner.b = std::move(pair.b);
    partner.match = Match::order;
    pair.b.clear();
  }
  std::erase_if(pairs, [](const LayerPair& pair) { return pair.a.empty() && pair.b.empty(); });
}

/// a's order; rows of b alone after the pair of the row before them.
void sort_pairs(std::vector<LayerPair>& pairs, size_t rows_of_b) {
  constexpr size_t kBefore = 0;
  std::vector<size_t> place_of_b(rows_of_b, kBefore);  // 1 + first row of a in its pair
  for (const LayerPair& pair : pairs)
    if (!pair.a.empty())
      for (const size_t row : pair.b) place_of_b[row] = pair.a[0] + 1;
  for (size_t j = 1; j < rows_of_b; ++j)
    if (place_of_b[j] == kBefore) place_of_b[j] = place_of_b[j - 1];
  const auto key = [&](const LayerPair& pair) {
    return pair.a.empty() ? std::tuple(place_of_b[pair.b[0]], 1, pair.b[0]) : std::tuple(pair.a[0] + 1, 0, size_t{0});
  };
  std::sort(pairs.begin(), pairs.end(), [&](const LayerPair& x, const LayerPair& y) { return key(x) < key(y); });
}

}  // namespace

std::string_view name_of(Match match) {
  switch (match) {
    case Match::name:
      return "name";
    case Match::order:
      return "order";
    case Match::only_a:
      return "only A";
    case Match::only_b:
      break;
  }
  return "only B";
}

std::vector<LayerPair> align(const std::vector<RecordedLayer>& a, const std::vector<RecordedLayer>& b) {
  std::vector<LayerPair> pairs = by_name(a, b);
  sort_pairs(pairs, b.size());
  for (const auto& [near, shapes] : {std::pair{true, true}, {true, false}, {false, true}}) {
    pair_by_kind(pairs, a, b, near, shapes);
    sort_pairs(pairs, b.size());
  }
  return pairs;
}

}  // namespace tally::tools
