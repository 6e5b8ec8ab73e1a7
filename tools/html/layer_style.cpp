#include "tools/html/layer_style.h"

#include <algorithm>
#include <numeric>

namespace tally::tools {

namespace {

std::vector<size_t> by_weight(const std::vector<std::optional<double>>& weight) {
  std::vector<size_t> order(weight.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weight[a].value_or(0) > weight[b].value_or(0); });
  return order;
}

}  // namespace

LayerStyle::LayerStyle(const std::vector<std::optional<double>>& weight) : colour_(weight.size(), 0) {
  std::vector<size_t> chosen = by_weight(weight);
  if (chosen.size() > kColours) chosen.resize(kColours);
  std::sort(chosen.begin(), chosen.end());
  for (size_t i = 0; i < chosen.size(); ++i) colour_[chosen[i]] = static_cast<int>(i) + 1;
}

std::string LayerStyle::kind(size_t layer) const { return "c" + std::to_string(colour_[layer]); }

LayerStyle style_of(const Recording& recording) {
  std::vector<std::optional<double>> time, macs;
  for (const RecordedLayer& layer : recording.layers) {
    time.push_back(layer.ns.median);
    const auto count = count_of(layer.counts, "macs");
    macs.push_back(count ? std::optional<double>(static_cast<double>(*count)) : std::nullopt);
  }
  const bool timed = std::any_of(time.begin(), time.end(), [](const auto& ns) { return ns.value_or(0) > 0; });
  return LayerStyle(timed ? time : macs);
}

std::string layer_name(const Recording& recording, size_t layer) {
  const RecordedLayer& l = recording.layers[layer];
  return LayerStyle::number(layer) + " " + l.name + (l.op.empty() ? "" : " (" + l.op + ")");
}

std::vector<size_t> heaviest(const std::vector<std::optional<double>>& weight, size_t most) {
  std::vector<size_t> chosen = by_weight(weight);
  if (chosen.size() > most) chosen.resize(most);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace tally::tools
