// CenterCropPad: axes longer than asked for are cut at both ends, shorter ones padded with zeros; where the difference
// is odd, the end gets one more.
#include "tally/layers/pad.h"

namespace tally {

namespace {

/// Operands: X, the extents wanted of `axes` (int32 or int64; without axes of all). A Pad whose pads, negative where it
/// crops, follow from the shapes.
class CenterCropPad final : public Pad {
 public:
  explicit CenterCropPad(const Node& node) : Pad(node) {
    if (node.has("axes")) axes_ = node.get_ints("axes");
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    StreamStep step = Pad::stream(in, time_axes);
    const int t = time_axes[kData];
    if (!step.obstacle.empty() || t == kNoTimeAxis) return step;
    std::vector<int64_t> wanted = in[kPads].constant->to_int64();
    const auto rank = static_cast<int64_t>(in[kData].shape.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      if (normalize_axis(axes_ ? (*axes_)[i] : static_cast<int64_t>(i), rank, label()) == t) wanted[i] = 1;
    step.constants.emplace_back(kPads, Tensor::of_int64(wanted));
    return step;
  }

  /// Its pads come from a shape that stays as it is.
  std::shared_ptr<const Layer> before_transposition(Operands, const std::vector<size_t>&) const override {
    return nullptr;
  }

 protected:
  std::vector<int64_t> pads(Operands in) const override {
    const Shape& x = in[kData].shape;
    const std::vector<int64_t> wanted = in[kPads].constant->to_int64();
    std::vector<int64_t> axes = axes_.value_or(std::vector<int64_t>{});
    if (!axes_)
      for (size_t d = 0; d < x.size(); ++d) axes.push_back(static_cast<int64_t>(d));
    if (wanted.size() != axes.size())
      fail(label(), text("shape of ", wanted.size(), " values"), text("must have ", axes.size()));
    std::vector<int64_t> all(2 * x.size(), 0);
    std::vector<bool> seen(x.size(), false);
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto d = static_cast<size_t>(normalize_axis(axes[i], static_cast<int64_t>(x.size()), label()));
      if (seen[d]) fail(label(), text("axis ", axes[i], " twice"), "must be distinct");
      seen[d] = true;
      constexpr int64_t kMost = int64_t{1} << 40;
      if (wanted[i] < 0 || wanted[i] > kMost)
        fail(label(), text("extent ", wanted[i]), "must be 0 to 2^40",
             wanted[i] < 0 ? ErrorCode::model : ErrorCode::limit);
      const int64_t missing = wanted[i] - x[d];
      all[d] = missing / 2;  // toward zero: a crop starts at ⌊surplus / 2⌋
      all[d + x.size()] = missing - missing / 2;
    }
    return all;
  }

 private:
  std::optional<std::vector<int64_t>> axes_;
};

}  // namespace

std::unique_ptr<Layer> make_center_crop_pad(const Node& node) { return std::make_unique<CenterCropPad>(node); }

}  // namespace tally
