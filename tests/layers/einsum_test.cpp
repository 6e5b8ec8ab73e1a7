#include "tests/reference/einsum_reference.h"

#include <algorithm>
#include <set>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;
using reference::EinsumTensor;
using Ints = std::vector<int64_t>;

struct EinsumCase {
  std::string equation, written_out;  ///< the latter for the oracle
  std::vector<Shape> shapes;
  int64_t macs = 0, additions = 0;  ///< of the cost, by hand
};

std::vector<EinsumTensor> operands_of(const EinsumCase& c) {
  std::vector<EinsumTensor> x;
  for (const Shape& shape : c.shapes)
    x.push_back({shape, random_values(element_count(shape), static_cast<uint32_t>(x.size()) + 1)});
  return x;
}

/// `constant`: the operand that is an initialiser, or −1.
GraphMaker graph_of(const EinsumCase& c, const std::vector<EinsumTensor>& x, DType type, int constant) {
  GraphMaker g;
  std::vector<std::string> names;
  for (size_t i = 0; i < x.size(); ++i) {
    names.push_back("x" + std::to_string(i));
    Tensor value = typed_tensor(type, x[i].shape, x[i].values);
    static_cast<int>(i) == constant ? g.constant(names[i], std::move(value)) : g.input(names[i], std::move(value));
  }
  return g.node("Einsum", names, "y", {{"equation", c.equation}}, 12).output("y");
}

const EinsumCase kCases[] = {
    {"ij->ji", "ij->ji", {{5, 7}}},
    {"bcd->dbc", "bcd->dbc", {{2, 3, 4}}},
    {"ii->i", "ii->i", {{6, 6}}},
    {"...ii ->...i", "01ii->01i", {{2, 3, 4, 4}}},
    {"iijk->ki", "iijk->ki", {{3, 3, 2, 5}}, 0, 3 * 2 * 5},
    {"ij->i", "ij->i", {{4, 9}}, 0, 36},
    {"ij->", "ij->", {{4, 9}}, 0, 36},
    {"ii", "ii->", {{5, 5}}, 0, 5},
    {"ba", "ba->ab", {{2, 3}}},
    {"i,i", "i,i->", {{37}, {37}}, 37},
    {"i,j->ij", "i,j->ij", {{5}, {6}}, 30},
    {"i,j->ji", "i,j->ji", {{5}, {17}}, 85},
    {"ij,ij->ij", "ij,ij->ij", {{3, 4}, {3, 4}}, 12},
    {"ij,jk", "ij,jk->ik", {{7, 20}, {20, 33}}, 7 * 20 * 33},
    {"ij,jk->ki", "ij,jk->ki", {{7, 20}, {20, 33}}, 7 * 20 * 33},
    {"ji,jk->ik", "ji,jk->ik", {{20, 7}, {20, 33}}, 7 * 20 * 33},
    {"ij,kj->ik", "ij,kj->ik", {{7, 20}, {33, 20}}, 7 * 20 * 33},
    {"ij,j->i", "ij,j->i", {{21, 20}, {20}}, 420},
    {"bij, bjk -> bik", "bij,bjk->bik", {{3, 4, 5}, {3, 5, 6}}, 3 * 4 * 5 * 6},
    {"bij,bjk->ibk", "bij,bjk->ibk", {{3, 4, 5}, {3, 5, 6}}, 3 * 4 * 5 * 6},
    {"bhqd,bhkd->bhqk", "bhqd,bhkd->bhqk", {{2, 3, 5, 8}, {2, 3, 6, 8}}, 2 * 3 * 5 * 6 * 8},  // attention
    {"bqhd,bkhd->bhqk", "bqhd,bkhd->bhqk", {{2, 5, 3, 8}, {2, 6, 3, 8}}, 2 * 3 * 5 * 6 * 8},  // heads between
    {"bhqk,bkhd->bqhd", "bhqk,bkhd->bqhd", {{2, 3, 5, 6}, {2, 6, 3, 8}}, 2 * 3 * 5 * 6 * 8},
    {"btd,hdf->bthf", "btd,hdf->bthf", {{2, 5, 6}, {3, 6, 4}}, 2 * 5 * 6 * 3 * 4},
    {"abcd,cdef->abef", "abcd,cdef->abef", {{2, 3, 4, 5}, {4, 5, 2, 3}}, 6 * 20 * 6},
    {"abcd,dcef->abef", "abcd,dcef->abef", {{2, 3, 4, 5}, {5, 4, 2, 3}}, 6 * 20 * 6},
    {"ijk,jil->kl", "ijk,jil->kl", {{2, 3, 4}, {3, 2, 5}}, 6 * 20},
    {"...ij,...jk->...ik", "01ij,1jk->01ik", {{2, 3, 4, 5}, {3, 5, 6}}, 6 * 4 * 5 * 6},
    {"...ij,jk", "01ij,jk->01ik", {{2, 3, 4, 5}, {5, 6}}, 6 * 4 * 5 * 6},
    {"...i,...i->i...", "01i,1i->i01", {{2, 3, 4}, {3, 4}}, 24},
    {"ij,jk->ik", "ij,jk->ik", {{4, 1}, {7, 3}}, 12, 21},  // one column meets seven rows
    {"bij,bjk->bik", "bij,bjk->bik", {{1, 4, 5}, {3, 5, 6}}, 3 * 4 * 5 * 6},
    {"ii,ij->j", "ii,ij->j", {{4, 4}, {4, 5}}, 20},
    {"ijl,jk->k", "ijl,jk->k", {{2, 3, 4}, {3, 5}}, 15, 24},
    {"aB,Bc", "aB,Bc->ac", {{2, 3}, {3, 4}}, 24},
    {"i,->i", "i,->i", {{4}, {}}, 4},
    {",", ",->", {{}, {}}, 1},
    {"ab,bc,cd->ad", "ab,bc,cd->ad", {{20, 3}, {3, 10}, {10, 2}}, 3 * 10 * 2 + 20 * 3 * 2},  // right to left
    {"ab,bc,cd->ad", "ab,bc,cd->ad", {{2, 10}, {10, 3}, {3, 20}}, 2 * 10 * 3 + 2 * 3 * 20},  // left to right
    {"i,j,k,l->lkji", "i,j,k,l->lkji", {{2}, {3}, {4}, {5}}, 2 * 5 + 3 * 4 + 120},
    {"ab,ab,ab->b", "ab,ab,ab->b", {{4, 5}, {4, 5}, {4, 5}}, 40},
    {"i,i,i,i,i,i,i,i,i->i", "i,i,i,i,i,i,i,i,i->i", {{3}, {3}, {3}, {3}, {3}, {3}, {3}, {3}, {3}}, 24},
};

void check_einsum(const EinsumCase& c, Isa isa, int constant, std::set<std::string>* kernels = nullptr) {
  CAPTURE(c.equation);
  const std::vector<EinsumTensor> x = operands_of(c);
  const reference::EinsumResult expected = reference::einsum(c.written_out, x);
  run_every_candidate(graph_of(c, x, DType::f32, constant), isa, [&](const Ran& ran) {
    CAPTURE(ran.plan->rows[0].kernel);
    REQUIRE(ran.outputs[0].shape() == expected.shape);
    check_close(ran.outputs[0], expected.y, expected.scale, static_cast<double>(expected.combinations + 8));
    CHECK(ran.executed().macs == c.macs);
    CHECK(ran.plan->estimate.layers[0].cost.macs == c.macs);
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == c.additions);
    if (kernels) kernels->insert(ran.plan->rows[0].kernel);
  });
}

TEST_CASE("Einsum: values, executed == planned and gap terms, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    std::set<std::string> kernels;
    for (const EinsumCase& c : kCases) check_einsum(c, isa, -1, &kernels);
    CHECK(kernels == std::set<std::string>{"copy", "gemm", "host"});
  }
}

TEST_CASE("Einsum: constant operands") {
  for (const EinsumCase& c : kCases)
    for (int constant = 0; c.shapes.size() > 1 && constant < static_cast<int>(c.shapes.size()); ++constant) {
      CAPTURE(constant);
      check_einsum(c, best_isa(), constant);
    }
}

TEST_CASE("Einsum: other element types") {
  for (const EinsumCase& c : kCases)
    for (const DType type : {DType::f64, DType::f16, DType::i8, DType::u16, DType::i64}) {
      CAPTURE(c.equation);
      CAPTURE(name_of(type));
      std::vector<EinsumTensor> x = operands_of(c);
      const bool integers = type == DType::i8 || type == DType::u16 || type == DType::i64;
      if (integers)
        for (EinsumTensor& operand : x)
          for (double& v : operand.values) v = std::floor(2 * (v + 1));
      const reference::EinsumResult expected = reference::einsum(c.written_out, x);
      const Ran ran = run_graph(graph_of(c, x, type, -1), best_isa());
      REQUIRE(ran.outputs[0].shape() == expected.shape);
      if (integers) {
        std::vector<double> wrapped;
        for (double v : expected.y)
          wrapped.push_back(type == DType::i8    ? static_cast<double>(static_cast<int8_t>(static_cast<int64_t>(v)))
                            : type == DType::u16 ? static_cast<double>(static_cast<uint16_t>(static_cast<int64_t>(v)))
                                                 : v);
        CHECK(ran.outputs[0].to_double() == wrapped);
      } else {
        std::vector<double> scale = expected.scale;
        for (double& v : scale) v = std::max(v, 0x1p-14);  // below, the spacing of float16 stays the same
        check_close(ran.outputs[0], expected.y, scale, type == DType::f16 ? 8193 : 1);
      }
      CHECK(ran.executed().macs == c.macs);
      CHECK(ran.executed().lane_macs == 0);
    }
}

TEST_CASE("Einsum: nothing to sum over gives zeros, no outputs nothing") {
  CHECK(result_of("Einsum", {Tensor(DType::f32, {2, 0}), Tensor(DType::f32, {0, 3})},
                  {{"equation", std::string("ij,jk->ik")}}) == std::vector<double>(6, 0));
  CHECK(result_of("Einsum", {Tensor(DType::f64, {2, 0})}, {{"equation", std::string("ij->i")}}) ==
        std::vector<double>(2, 0));
  CHECK(result_of("Einsum", {Tensor(DType::f32, {0, 4}), Tensor(DType::f32, {4, 3})},
                  {{"equation", std::string("ij,jk->ik")}})
            .empty());
}

std::string error_with(const std::string& equation, const std::vector<Shape>& shapes) {
  std::vector<Tensor> x;
  for (const Shape& shape : shapes) x.push_back(Tensor(DType::f32, shape));
  return error_text(one_node("Einsum", x, {{"equation", equation}}));
}

TEST_CASE("Einsum: errors name node, found and required") {
  CHECK(error_text(one_node("Einsum", {Tensor(DType::f32, {2})})) ==
        "Einsum 'y': no equation; must have the attribute equation");
  CHECK(error_with("ij,jk->ik", {{2, 3}}) == "Einsum 'y': 1 operands must be 2, as many as terms");
  CHECK(error_with("ij->ik", {{2, 3}}) == "Einsum 'y': label 'k' in the output must occur in a term");
  CHECK(error_with("ij->ii", {{2, 3}}) == "Einsum 'y': label 'i' twice in the output must differ");
  CHECK(error_with("i-j", {{2, 3}}) == "Einsum 'y': term 'i-j' must be of letters and at most one '...'");
  CHECK(error_with("i..j", {{2, 3}}) == "Einsum 'y': term 'i..j' must be of letters and at most one '...'");
  CHECK(error_with("...i...", {{2, 3}}) == "Einsum 'y': term '...i...' must be of letters and at most one '...'");
  CHECK(error_with("i->j->i", {{2}}) == "Einsum 'y': term 'j->i' must be of letters and at most one '...'");
  CHECK(error_with("ijk", {{2, 3}}) == "Einsum 'y': operand 0 of shape 2x3 must have rank 3");
  CHECK(error_with("...ijk", {{2, 3}}) == "Einsum 'y': operand 0 of shape 2x3 must have rank >= 3");
  CHECK(error_with("ij,jk->ik", {{2, 3}, {4, 5}}) == "Einsum 'y': extent 4 of label j in 'x1' must be 3 as elsewhere");
  CHECK(error_with("ii->i", {{2, 3}}) == "Einsum 'y': extent 3 of label i in 'x0' must be 2 as elsewhere");
  CHECK(error_with(std::string(1, '\0'), {{2}}) != "no error");
  // 2^20 elements against 2^20 others: 2^60 products, and as many outputs.
  CHECK(error_with("a,b,c->", {{1 << 20}, {1 << 20}, {1 << 20}}) == "no error");  // sums first
  CHECK(error_with("a,b,c->abc", {{1 << 20}, {1 << 20}, {1 << 20}}) != "no error");
  CHECK(error_text(one_node("Einsum", {Tensor(DType::f32, {2}), Tensor(DType::f64, {2})},
                            {{"equation", std::string("i,i")}})) ==
        "Einsum 'y': operand 1 of type float64 must be float32 like operand 0");
}

TEST_CASE("Einsum: one time step at a time") {
  const auto stream = [](const std::string& equation, const std::vector<Shape>& shapes, std::vector<int> axes) {
    return stream_of("Einsum", shapes, std::move(axes), {{"equation", equation}});
  };
  const StreamStep step = stream("btd,df->fbt", {{1, 8, 4}, {4, 5}}, {1, kNoTimeAxis});
  CHECK(step.obstacle == "");
  CHECK(step.time_axes == std::vector<int>{2});
  CHECK(stream("td,td->t", {{8, 4}, {8, 4}}, {0, 0}).obstacle == "");
  CHECK(stream("td,sd->ts", {{8, 4}, {8, 4}}, {0, 0}).obstacle == "multiplies time steps with each other");
  CHECK(stream("td,tf->df", {{8, 4}, {8, 5}}, {0, 0}).obstacle == "sums over time");
  CHECK(stream("tt->t", {{8, 8}}, {0}).obstacle == "takes a diagonal over time");
  CHECK(stream("td,td->t", {{8, 4}, {8, 4}}, {0, kNoTimeAxis}).obstacle == "operand 'x' holds all time steps at once");
}

}  // namespace
