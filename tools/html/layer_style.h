#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/compare/recording.h"

namespace tally::tools {

/// Layers have a number (their position, from 1) and, where they take most, a colour, both the same in every chart of a
/// page: numbers for those who cannot tell the colours apart, or print without them.
class LayerStyle {
 public:
  static constexpr int kColours = 8;

  /// `weight`: what decides which layers get a colour of their own; by layer, nothing for what is not known.
  explicit LayerStyle(const std::vector<std::optional<double>>& weight);

  /// "c1" … "c8", or "c0" for the rest.
  std::string kind(size_t layer) const;
  static std::string number(size_t layer) { return std::to_string(layer + 1); }
  bool coloured(size_t layer) const { return colour_[layer] != 0; }

 private:
  std::vector<int> colour_;
};

/// By time, or where the recording has none by MACs.
LayerStyle style_of(const Recording& recording);

/// "3 /conv2/Conv (Conv)": how a mark names its layer.
std::string layer_name(const Recording& recording, size_t layer);

/// The layers of most weight, at most `most` of them, in the model's order.
std::vector<size_t> heaviest(const std::vector<std::optional<double>>& weight, size_t most);

}  // namespace tally::tools
