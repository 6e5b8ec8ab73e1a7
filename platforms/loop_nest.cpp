// The nests of the kernels whose loops are few; those of products stand beside their planned tallies.
#include "tally/platforms/loop_nest.h"

#include "tally/platforms/rounding.h"

namespace tally {
namespace {

std::string number(int64_t n) { return std::to_string(n); }

/// "17 vectors of 16 lanes".
std::string vectors_text(int64_t elements, const Geometry& g) {
  const int64_t vectors = divide_up(elements, g.lanes);
  return number(vectors) + (vectors == 1 ? " vector of " : " vectors of ") + number(g.lanes) +
         (g.lanes == 1 ? " lane" : " lanes");
}

}  // namespace

std::string product_text(std::initializer_list<int64_t> factors) {
  std::string text;
  for (const int64_t factor : factors) text += (text.empty() ? "" : "·") + number(factor);
  return text;
}

LoopNest loop_nest(const PoolArgs& a, const Geometry& g) {
  LoopNest nest;
  if (a.channels_last) {
    nest.loops = {"for image, row of outputs in " + product_text({a.images, a.oh}), "for column in " + number(a.ow)};
  } else {
    nest.loops = {"for image, channel in " + product_text({a.images, a.channels}), "for row in " + number(a.oh)};
  }
  nest.loops.push_back("for tap inside the image, of " + product_text({a.kh, a.kw}));
  nest.loops.push_back((a.channels_last ? "channels: " : "columns: ") +
                       vectors_text(a.channels_last ? a.channels : a.ow, g));
  return nest;
}

LoopNest loop_nest(const RotaryArgs& a, const Geometry& g) {
  LoopNest nest;
  for (const int64_t size : a.size) nest.loops.push_back("for row in " + number(size));
  nest.loops.push_back("of " + number(a.width) + " elements, " + number(a.rotated) +
                       " of them in pairs: " + vectors_text(a.rotated / 2, g));
  return nest;
}

LoopNest loop_nest(const UnaryArgs& a, const Geometry& g) {
  return {{"for block of at most " + number(kMapBlock) + " elements in " + number(a.items()),
           "of " + number(a.n) + " elements: " + vectors_text(a.n, g)},
          {}};
}

LoopNest loop_nest(const BinaryArgs& a, const Geometry& g) {
  return {{"for row in " + number(a.rows), "of " + number(a.inner) + " elements: " + vectors_text(a.inner, g)}, {}};
}

LoopNest loop_nest(const ChannelAffineArgs& a, const Geometry& g) {
  const int64_t width = a.channels_last ? a.channels : a.inner;
  return {{"for row in " + number(a.rows),
           "of " + number(width) + (a.channels_last ? " channels: " : " pixels: ") + vectors_text(width, g)},
          {}};
}

LoopNest loop_nest(const SoftmaxArgs& a, const Geometry& g) {
  LoopNest nest;
  nest.loops = {"for row in " + number(a.rows),
                "three times over " + number(a.width) + " elements: maximum, exponentials and their sum, quotients"};
  nest.loops.push_back(a.inner == 1 ? vectors_text(a.width, g) : "rows across " + number(g.lanes) + " lanes");
  return nest;
}

LoopNest loop_nest(const ReduceArgs& a, const Geometry& g) {
  if (a.inner == 1)
    return {{"for row in " + number(a.outer), "of " + number(a.width) + " elements: " + vectors_text(a.width, g)}, {}};
  return {{"for set in " + number(a.outer), "for element in " + number(a.width),
           "of " + number(a.inner) + " columns: " + vectors_text(a.inner, g)},
          {}};
}

LoopNest loop_nest(const RowNormArgs& a, const Geometry& g) {
  return {
      {"for row in " + number(a.rows), a.centred ? "mean, then variance, then the result" : "squares, then the result",
       "of " + number(a.width) + " elements: " + vectors_text(a.width, g)},
      {}};
}

LoopNest loop_nest(const LrnArgs& a, const Geometry& g) {
  return {{"for image in " + number(a.images),
           "for block of at most " + number(kLrnPixels) + " pixels in " + number(a.blocks()),
           "for channel in " + number(a.channels), "for neighbour among " + number(a.before + 1 + a.after),
           "pixels across " + number(g.lanes) + " lanes"},
          {}};
}

LoopNest loop_nest(const CopyArgs& a, const Geometry&) {
  LoopNest nest;
  for (int d = 0; d < a.rank; ++d)
    nest.loops.push_back("for i" + number(d) + " in " + number(a.size[d]) + ", x " + number(a.x_stride[d]) + " and y " +
                         number(a.y_stride[d]) + " elements on");
  nest.loops.push_back(number(a.element_bytes) + " bytes");
  return nest;
}

}  // namespace tally
