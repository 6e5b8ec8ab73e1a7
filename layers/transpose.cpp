// Transpose: Y[i_perm(0), i_perm(1), …] = X[i_0, i_1, …]. Either side may lie channels_last, so that a change between N
// C H W and N H W C next to a kernel that works channels_last becomes a copy of rows.
#include <algorithm>
#include <numeric>

#include "tally/layers/absorb.h"
#include "tally/layers/copy_layer.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class Transpose : public Layer, public OffersTransposition, public MovesWhole {
 public:
  explicit Transpose(const Node& node) : Layer(node), perm_(node.get_ints("perm")), given_(node.has("perm")) {}

  bool keeps_identity() const override { return true; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    whole_element_bytes(in[0].dtype, label());
    const std::vector<size_t> perm = permutation(in[0].shape.size());
    Shape y;
    for (size_t from : perm) y.push_back(in[0].shape[from]);
    return {{in[0].dtype, y}};
  }

  // Moves every element once and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Transpose, opset 1 to 24: moves data only";
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    std::vector<Candidate> list;
    for (Layout x : {Layout::plain, Layout::channels_last})
      for (Layout y : {Layout::plain, Layout::channels_last}) {
        const bool moved = x == Layout::channels_last || y == Layout::channels_last;
        if (moved && !may_be_channels_last(in[0].dtype, in[0].shape)) continue;
        const Geometry& g = context.kernels->geometry;
        const CopyArgs args =
            make_args(expected_placement(in[0], x, g.channel_pad), expected_placement(out[0], y, g.channel_pad));
        list.push_back(uniform_candidate("copy", 1, 1, x, y, copy_cycles(args, g)));
      }
    return list;
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Placement x = p.input(0), y = p.output(0);
    add_copy_step(p, make_args(x, y), {x.buffer, 0, p.inputs()[0].constant != nullptr}, {y.buffer});
  }

  std::shared_ptr<const Layer> as_view() const override;

  std::optional<Move> whole_move(Operands in, std::span<const TensorType> out, int) const override {
    return Move{0, 0,
                make_loops(expected_placement(in[0], Layout::plain, 1), expected_placement(out[0], Layout::plain, 1))};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const std::vector<size_t> perm = permutation(in[0].shape.size());
    const auto at = std::find(perm.begin(), perm.end(), static_cast<size_t>(time_axes[0]));
    return stream_unchanged(static_cast<int>(at - perm.begin()));
  }

  std::vector<size_t> permutation(size_t rank) const override {
    std::vector<size_t> perm(rank);
    if (!given_) {
      std::iota(perm.rbegin(), perm.rend(), size_t{0});
      return perm;
    }
    const auto required = [&] { return text("must be a permutation of the ", rank, " axes"); };
    if (perm_.size() != rank) fail(label(), text("perm of ", perm_.size(), " axes"), required());
    std::vector<bool> seen(rank, false);
    for (size_t d = 0; d < rank; ++d) {
      const auto axis = static_cast<size_t>(normalize_axis(perm_[d], static_cast<int64_t>(rank), label()));
      if (seen[axis]) fail(label(), text("perm with axis ", perm_[d], " twice"), required());
      seen[axis] = true;
      perm[d] = axis;
    }
    return perm;
  }

 private:
  std::vector<CopyLoop> make_loops(const Placement& x, const Placement& y) const {
    const Shape from = placed_strides(x), to = placed_strides(y);
    const std::vector<size_t> perm = permutation(from.size());
    std::vector<CopyLoop> loops;
    for (size_t d = 0; d < perm.size(); ++d) loops.push_back({y.type.shape[d], from[perm[d]], to[d]});
    return loops;
  }
  CopyArgs make_args(const Placement& x, const Placement& y) const {
    return copy_args(make_loops(x, y), whole_element_bytes(x.type.dtype, label()), label());
  }

  std::vector<int64_t> perm_;
  bool given_;
};

/// A transposition that moves no element: its output is its input's bytes.
class TransposedView final : public Transpose {
 public:
  explicit TransposedView(const Transpose& transpose) : Transpose(transpose) {}
  int view_of() const override { return 0; }
};

std::shared_ptr<const Layer> Transpose::as_view() const { return std::make_shared<TransposedView>(*this); }

}  // namespace

std::unique_ptr<Layer> make_transpose(const Node& node) { return std::make_unique<Transpose>(node); }

}  // namespace tally
