// NonMaxSuppression: of the boxes of every class, the best by score, none that overlaps a better one by more than the
// threshold; rows of batch, class, box. How many there are depends on the data, so that it must be known when a plan is
// made.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "tally/layers/placement.h"
#include "tally/layers/value_layer.h"

namespace tally {

namespace {

constexpr size_t kBoxes = 0, kScores = 1, kMost = 2, kOverlap = 3, kLeast = 4;

struct Box {
  double y0, x0, y1, x1;
  double area() const { return (y1 - y0) * (x1 - x0); }
};

double overlap(const Box& a, const Box& b) {
  const double h = std::min(a.y1, b.y1) - std::max(a.y0, b.y0), w = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (!(h > 0 && w > 0)) return 0;
  const double both = a.area() + b.area() - h * w;
  return both > 0 ? h * w / both : 0;
}

class NonMaxSuppression final : public ValueLayer {
 public:
  explicit NonMaxSuppression(const Node& node) : ValueLayer(node), centers_(node.get_int("center_point_box", 0) != 0) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 5);
    const Shape &boxes = in[kBoxes].shape, &scores = in[kScores].shape;
    if (in[kBoxes].dtype != DType::f32 || in[kScores].dtype != DType::f32)
      fail(label(), text("boxes of type ", name_of(in[kBoxes].dtype), ", scores of type ", name_of(in[kScores].dtype)),
           "must be float32");
    if (boxes.size() != 3 || boxes[2] != 4)
      fail(label(), text("boxes of shape ", to_string(boxes)), "must be batches x boxes x 4");
    if (scores.size() != 3 || scores[0] != boxes[0] || scores[2] != boxes[1])
      fail(label(), text("scores of shape ", to_string(scores)),
           text("must be ", boxes[0], " batches x classes x ", boxes[1], " boxes"));
    return {{DType::i64, {static_cast<int64_t>(selected(in).size()), 3}}};
  }

  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const override {
    Tensor y(DType::i64, out[0].shape);
    size_t i = 0;
    for (const auto& row : selected(in))
      for (int64_t value : row) y.mutable_values<int64_t>()[i++] = value;
    return {y};
  }

 private:
  double scalar(Operands in, size_t input, double fallback) const {
    if (in.size() <= input || !in[input].present) return fallback;
    const std::vector<double> value = in[input].constant->to_double();
    if (value.size() != 1)
      fail(label(), text("input ", input, " of shape ", to_string(in[input].shape)), "must have one element");
    return value[0];
  }

  Box box_of(std::span<const float> boxes, size_t i) const {
    const double a = boxes[4 * i], b = boxes[4 * i + 1], c = boxes[4 * i + 2], d = boxes[4 * i + 3];
    if (centers_) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};
    return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
  }

  std::vector<std::array<int64_t, 3>> selected(Operands in) const {
    const auto boxes = in[kBoxes].constant->values<float>(), scores = in[kScores].constant->values<float>();
    const int64_t batches = in[kScores].shape[0], classes = in[kScores].shape[1], n = in[kScores].shape[2];
    const double wanted = scalar(in, kMost, 0), threshold = scalar(in, kOverlap, 0),
                 least = scalar(in, kLeast, -INFINITY);
    const int64_t most = wanted >= 1 ? static_cast<int64_t>(std::min(wanted, static_cast<double>(n))) : 0;
    constexpr double kMaxPairs = 0x1p36;
    if (static_cast<double>(batches * classes) * static_cast<double>(n) * static_cast<double>(most) > kMaxPairs)
      fail(label(), text(n, " boxes, ", most, " selected of each of ", batches * classes, " classes"),
           text("must compare at most ", kMaxPairs, " pairs"), ErrorCode::limit);
    std::vector<std::array<int64_t, 3>> all;
    std::vector<size_t> order;
    std::vector<Box> kept;
    for (int64_t b = 0; b < batches; ++b)
      for (int64_t c = 0; c < classes; ++c) {
        const auto score = scores.subspan(static_cast<size_t>((b * classes + c) * n), static_cast<size_t>(n));
        order.clear();
        kept.clear();
        for (size_t i = 0; i < score.size(); ++i)
          if (score[i] > least) order.push_back(i);
        std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return score[i] > score[j]; });
        for (size_t i : order) {
          if (static_cast<int64_t>(kept.size()) == most) break;
          const Box box = box_of(boxes, static_cast<size_t>(b * n) + i);
          if (std::any_of(kept.begin(), kept.end(), [&](const Box& k) { return overlap(k, box) > threshold; }))
            continue;
          kept.push_back(box);
          all.push_back({b, c, static_cast<int64_t>(i)});
        }
      }
    return all;
  }

  bool centers_;
};

}  // namespace

std::unique_ptr<Layer> make_non_max_suppression(const Node& node) { return std::make_unique<NonMaxSuppression>(node); }

}  // namespace tally
