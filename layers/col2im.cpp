// Col2Im: Y[n, c, p…] = Σ X[n, c·Πblock + k…, l…] over the blocks l and places k in them that fall on pixel p:
// p_d = l_d·stride_d + k_d·dilation_d − pad_d. What lies on padding is dropped.
#include "tally/layers/host_layer.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

constexpr int kX = 0, kImage = 1, kBlock = 2;

/// Along one axis, the pairs (k, l) that fall on each pixel, as offsets in X.
struct AxisTerms {
  std::vector<int64_t> first{0}, offset;
  int64_t pixels = 1, pixel_stride = 1;  ///< of the image
};

template <class T>
SumOf<T> sum_terms(const T* x, const std::vector<AxisTerms>& axes, int64_t pixel, size_t d, int64_t& read) {
  if (d == axes.size()) {
    ++read;
    return to_sum(*x);
  }
  SumOf<T> sum = 0;
  const auto p = static_cast<size_t>(pixel / axes[d].pixel_stride % axes[d].pixels);
  for (int64_t i = axes[d].first[p]; i < axes[d].first[p + 1]; ++i)
    sum += sum_terms(x + axes[d].offset[static_cast<size_t>(i)], axes, pixel, d + 1, read);
  return sum;
}

class Col2Im final : public HostLayer {
 public:
  explicit Col2Im(const Node& node)
      : HostLayer(node),
        dilations_(node.get_ints("dilations")),
        pads_(node.get_ints("pads")),
        strides_(node.get_ints("strides")) {}

  bool needs_value(int input) const override { return input != kX; }
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 3);
    if (!with_number_type(in[kX].dtype, [](auto) {}))
      fail(label(), text("input of type ", name_of(in[kX].dtype)), "must be numbers of 8 bits or more");
    const Geometry g = geometry(in);
    Shape y{in[kX].shape[0], g.C};
    y.insert(y.end(), g.image.begin(), g.image.end());
    element_count(y, label());
    return {{in[kX].dtype, y}};
  }

  // One addition for every element that falls on the image; those on padding are counted too.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Col2Im, opset 18 to 24: one addition an element of X";
    cost.elementwise = element_count(in[kX].shape);
    return cost;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Geometry g = geometry(p.inputs());
    const int64_t N = p.inputs()[kX].shape[0], blocks = element_count(g.blocks), block = element_count(g.block),
                  pixels = element_count(g.image);
    if (N * g.C * pixels == 0) return;
    std::vector<AxisTerms> axes = terms(g, blocks);
    int64_t read_each = 1;
    for (const AxisTerms& axis : axes) read_each *= static_cast<int64_t>(axis.offset.size());
    with_number_type(p.inputs()[kX].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto run = [=, images = N * g.C](const std::vector<std::byte*>& at, int64_t, int64_t,
                                             Tally* tally) noexcept {
        int64_t read = 0, written = 0;
        T* y = reinterpret_cast<T*>(at[1]);
        for (int64_t i = 0; i < images; ++i)
          for (int64_t j = 0; j < pixels; ++j)
            y[written++] =
                from_sum<T>(sum_terms(reinterpret_cast<const T*>(at[0]) + i * block * blocks, axes, j, 0, read));
        if (!tally) return;
        tally->bytes_loaded += read * int64_t{sizeof(T)};
        tally->bytes_stored += written * int64_t{sizeof(T)};
      };
      const int64_t size = int64_t{sizeof(T)}, images = N * g.C;
      add_host_step(p, {p.input(kX).buffer, p.output(0).buffer},
                    host_planned(p, {{kX, images * read_each * size}}, images * pixels * size), candidate.cycles, run);
    });
  }

 private:
  struct Geometry {
    int64_t C = 0;
    Shape image, block, blocks;  ///< blocks: how many along each axis
    std::vector<int64_t> dilation, stride, pad;
  };

  std::vector<int64_t> setting(const std::vector<int64_t>& given, const char* name, size_t count,
                               int64_t fallback) const {
    constexpr int64_t kMost = int64_t{1} << 31;
    if (given.empty()) return std::vector<int64_t>(count, fallback);
    if (given.size() != count) fail(label(), text(name, " of ", given.size(), " values"), text("must have ", count));
    for (int64_t value : given)
      if (value < fallback || value > kMost)
        fail(label(), text(name, "=", value), text("must be ", fallback, " to 2^31"));
    return given;
  }

  Geometry geometry(Operands in) const {
    Geometry g;
    g.image = in[kImage].constant->to_int64();
    g.block = in[kBlock].constant->to_int64();
    const size_t rank = g.image.size();
    if (rank == 0 || g.block.size() != rank)
      fail(label(), text("image_shape of ", rank, " and block_shape of ", g.block.size(), " values"),
           "must be as many, at least 1");
    g.dilation = setting(dilations_, "dilations", rank, 1);
    g.stride = setting(strides_, "strides", rank, 1);
    g.pad = setting(pads_, "pads", 2 * rank, 0);
    const Shape& x = in[kX].shape;
    constexpr int64_t kMost = int64_t{1} << 31;
    for (size_t d = 0; d < rank; ++d) {
      if (g.image[d] < 1 || g.block[d] < 1 || g.image[d] > kMost || g.block[d] > kMost)
        fail(label(), text("image of ", g.image[d], ", block of ", g.block[d]), "must be 1 to 2^31");
      const int64_t room = g.image[d] + g.pad[d] + g.pad[d + rank], reach = g.dilation[d] * (g.block[d] - 1) + 1;
      if (reach > room) fail(label(), text("a block over ", reach, " pixels"), text("must fit ", room));
      g.blocks.push_back((room - reach) / g.stride[d] + 1);
    }
    const int64_t block = element_count(g.block, label()), blocks = element_count(g.blocks, label());
    if (x.size() != 3 || x[1] % block != 0 || x[2] != blocks)
      fail(label(), text("input of shape ", to_string(x)), text("must be N x a multiple of ", block, " x ", blocks));
    g.C = x[1] / block;
    return g;
  }

  static std::vector<AxisTerms> terms(const Geometry& g, int64_t blocks) {
    const Shape block_strides = row_major_strides(g.block), strides = row_major_strides(g.blocks),
                pixel_strides = row_major_strides(g.image);
    std::vector<AxisTerms> all;
    for (size_t d = 0; d < g.image.size(); ++d) {
      AxisTerms axis;
      axis.pixels = g.image[d];
      axis.pixel_stride = pixel_strides[d];
      for (int64_t p = 0; p < g.image[d]; ++p) {
        for (int64_t k = 0; k < g.block[d]; ++k) {
          const int64_t at = p + g.pad[d] - k * g.dilation[d];
          if (at < 0) break;
          if (at % g.stride[d] == 0 && at / g.stride[d] < g.blocks[d])
            axis.offset.push_back(k * block_strides[d] * blocks + at / g.stride[d] * strides[d]);
        }
        axis.first.push_back(static_cast<int64_t>(axis.offset.size()));
      }
      all.push_back(std::move(axis));
    }
    return all;
  }

  std::vector<int64_t> dilations_, pads_, strides_;
};

}  // namespace

std::unique_ptr<Layer> make_col2im(const Node& node) { return std::make_unique<Col2Im>(node); }

}  // namespace tally
