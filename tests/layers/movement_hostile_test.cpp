// Layers that move data, given operands and attributes that make no sense: each runs or ends in an Error that says why;
// none reads outside its bytes, loops for ever or takes more memory than allowed. The sanitizer builds run this too.
#include <random>

#include "moved.h"
#include "tests/cpu_time.h"

namespace {

using namespace tally;
using namespace tally::test;

/// An operator with operands and attributes to be filled at random. Letters of `operands`: x data, i indices, n numbers
/// known at load, f floats known at load, b boolean, u updates.
struct Subject {
  std::string op, operands;
  std::vector<std::string> integers, integer_lists;
  int outputs = 1;
};

const std::vector<Subject> kSubjects = {
    {"Slice", "xnnnn", {}, {}},
    {"Split", "xn", {"axis", "num_outputs"}, {}, 2},
    {"Expand", "xn", {}, {}},
    {"Tile", "xn", {}, {}},
    {"Gather", "xi", {"axis"}, {}},
    {"GatherElements", "xi", {"axis"}, {}},
    {"GatherND", "xi", {"batch_dims"}, {}},
    {"ScatterElements", "xiu", {"axis"}, {}},
    {"ScatterND", "xiu", {}, {}},
    {"Range", "nnn", {}, {}},
    {"EyeLike", "x", {"k", "dtype"}, {}},
    {"OneHot", "inx", {"axis"}, {}},
    {"Trilu", "xn", {"upper"}, {}},
    {"Compress", "xb", {"axis"}, {}},
    {"NonZero", "x", {}, {}},
    {"Unique", "x", {"axis", "sorted"}, {}, 4},
    {"DepthToSpace", "x", {"blocksize"}, {}},
    {"SpaceToDepth", "x", {"blocksize"}, {}},
    {"ReverseSequence", "xi", {"batch_axis", "time_axis"}, {}},
    {"Resize", "xfff", {"antialias", "exclude_outside"}, {"axes"}},
    {"Resize", "x..n", {"antialias"}, {"axes"}},
    {"GridSample", "xx", {"align_corners"}, {}},
    {"RoiAlign", "xxi", {"output_height", "output_width", "sampling_ratio"}, {}},
    {"CenterCropPad", "xn", {}, {"axes"}},
    {"Pad", "xn.n", {}, {}},
    {"TopK", "xn", {"axis", "largest"}, {}, 2},
    {"NonMaxSuppression", "xxnff", {"center_point_box"}, {}},
    {"Col2Im", "xnn", {}, {"strides", "dilations", "pads"}},
};

class Maker {
 public:
  explicit Maker(uint32_t seed) : random_(seed) {}

  GraphMaker make(const Subject& subject) {
    GraphMaker g;
    std::vector<std::string> inputs;
    const Shape data = shape();
    for (char kind : subject.operands) {
      const std::string name = text("v", inputs.size());
      inputs.push_back(kind == '.' || (inputs.size() > 1 && pick(8) == 0) ? "" : name);
      if (inputs.back().empty()) continue;
      const Tensor value = operand(kind, data);
      const bool fed = kind == 'x' || kind == 'u' || (kind == 'i' && pick(2) == 0);
      fed ? g.input(name, value) : g.constant(name, value);
    }
    std::map<std::string, Attribute> attributes;
    for (const std::string& name : subject.integers)
      if (pick(2) == 0) attributes[name] = number();
    for (const std::string& name : subject.integer_lists)
      if (pick(2) == 0) attributes[name] = numbers();
    g.node(subject.op, inputs, "y", attributes, 18 + pick(3));
    g.graph.nodes[0].outputs.clear();
    for (int k = 0; k < subject.outputs; ++k) {
      g.graph.nodes[0].outputs.push_back(text("y", k));
      g.output(text("y", k));
    }
    return g;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  Shape shape() {
    Shape shape;
    const int rank = pick(3) == 0 ? pick(6) : 4;
    for (int d = 0; d < rank; ++d) shape.push_back(pick(12) == 0 ? 0 : 1 + pick(4));
    return shape;
  }
  int64_t number() {
    constexpr int64_t kOdd[] = {INT64_MIN,        INT64_MAX,           -1, int64_t{1} << 40,
                                int64_t{1} << 31, -(int64_t{1} << 33), 0,  100000};
    return pick(4) == 0 ? kOdd[pick(8)] : pick(7) - 2;
  }
  Ints numbers() {
    Ints list(static_cast<size_t>(pick(3) == 0 ? pick(9) : pick(2) == 0 ? 4 : 2));
    for (int64_t& v : list) v = number();
    return list;
  }
  Tensor operand(char kind, const Shape& data) {
    if (kind == 'n') {
      const Ints list = numbers();
      return pick(3) == 0 ? Tensor::of_int64({number()}).reshaped(pick(2) ? Shape{} : Shape{1})
                          : Tensor::of_int64(list);
    }
    if (kind == 'i') {
      Tensor t(DType::i64, pick(2) == 0 ? shape() : data);
      for (int64_t& v : t.mutable_values<int64_t>()) v = number();
      return t;
    }
    if (kind == 'b') {
      Tensor t(DType::boolean, {pick(8)});
      for (uint8_t& v : t.mutable_values<uint8_t>()) v = static_cast<uint8_t>(pick(2));
      return t;
    }
    constexpr float kOdd[] = {0, -1, NAN, INFINITY, 1e30f, 1e-30f, 0.3f, 2};
    Tensor t(DType::f32, kind == 'f' ? Shape{pick(2) == 0 ? 4 : pick(9)} : pick(4) == 0 ? shape() : data);
    for (float& v : t.mutable_values<float>()) v = pick(3) == 0 ? kOdd[pick(8)] : static_cast<float>(pick(64)) / 16;
    return t;
  }

  std::mt19937 random_;
};

TEST_CASE("hostile: movement with operands and attributes at random") {
  std::map<std::string, int> ran, refused;
  const double begin = test::thread_cpu_seconds();
  for (uint32_t round = 0; round < 400; ++round)
    for (const Subject& subject : kSubjects) {
      const GraphMaker g = Maker(round * 1000 + 17).make(subject);
      CAPTURE(round);
      CAPTURE(subject.op);
      LoadOptions options;
      options.isa = best_isa();
      options.max_memory = size_t{16} << 20;
      try {
        Context context(CompiledModel(g.graph, registry(), options));
        context.feed(g.feeds);
        context.run();
        ++ran[subject.op];
      } catch (const Error& error) {
        CHECK_MESSAGE(error.code != ErrorCode::internal, std::string(error.what()));
        CHECK_MESSAGE(!error.required.empty(), std::string(error.what()));
        ++refused[subject.op];
      }
    }
  const double seconds = test::thread_cpu_seconds() - begin;
  CHECK_MESSAGE(seconds < 300, "a loop without bound somewhere: ", seconds, " s");
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.op);
    CHECK(ran[subject.op] + refused[subject.op] >= 400);
    // Those left out agree too seldom to be met by chance.
    const bool rare = subject.op == "RoiAlign" || subject.op == "Col2Im" || subject.op == "NonMaxSuppression" ||
                      subject.op == "OneHot";
    if (!rare) CHECK(ran[subject.op] > 0);
  }
}

}  // namespace
