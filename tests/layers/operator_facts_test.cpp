// What `tally ops` claims of the operators, held against the engine.
#include "tally/layers/operator_facts.h"

#include <algorithm>

#include "layer_run.h"
#include "tally/layers/operator_example.h"

namespace {

using namespace tally;
using namespace tally::test;

const std::vector<OperatorFacts>& all_facts() {
  static const std::vector<OperatorFacts> facts = operator_facts(usable_isas());
  return facts;
}

const OperatorFacts& facts_of(std::string_view op) {
  return *std::find_if(all_facts().begin(), all_facts().end(), [&](const OperatorFacts& f) { return f.row.op == op; });
}

TEST_CASE("every operator says what it takes and what it costs; where it does not, layers/examples.inc lacks a row") {
  CHECK(all_facts().size() == supported_operators().size());
  for (const OperatorFacts& facts : all_facts()) {
    CAPTURE(facts.row.op);
    CHECK(!facts.kernels.empty());
    CHECK(!facts.coverage.empty());
    CHECK(!facts.coverage.contains(Coverage::unknown));
    const auto approximate = facts.coverage.find(Coverage::approximate);
    if (approximate != facts.coverage.end()) CHECK(!approximate->second.empty());
  }
}

/// The example as a graph that can run, on zeros.
GraphMaker runnable(const SupportedOperator& row, std::string_view example, DType type) {
  GraphMaker made;
  made.graph = example_graph(row.op, std::min(row.last_opset, kNewestOpset), example, type);
  for (const ValueInfo& input : made.graph.inputs) {
    Shape shape;
    for (const Dim& dim : *input.shape) shape.push_back(dim.value);
    made.feeds[input.name] = Tensor(input.dtype, shape);
  }
  return made;
}

/// False where the layer does not take it; the laws are checked where it does.
bool runs(const SupportedOperator& row, std::string_view example, DType type, Isa isa) {
  try {
    run_graph(runnable(row, example, type), isa);
    return true;
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::model);
    return false;
  }
}

/// Element types in which some example of the operator runs.
std::set<DType> types_that_run(const SupportedOperator& row) {
  std::set<DType> types;
  for (std::string_view example : operator_examples(row.op)) {
    CAPTURE(example);
    for (const DType type : types_to_try(example)) {
      CAPTURE(name_of(type));
      for (const Isa isa : type == DType::f32 ? usable_isas() : std::vector<Isa>{Isa::scalar}) {
        CAPTURE(name_of(isa));
        if (runs(row, example, type, isa)) types.insert(type);
      }
    }
    if (!types.empty() && !has_own_examples(row.op)) break;
  }
  return types;
}

TEST_CASE("every operator runs in every type that it claims, and in no other") {
  for (const OperatorFacts& facts : all_facts()) {
    CAPTURE(facts.row.op);
    const std::set<DType> types = types_that_run(facts.row);
    for (const DType type : swept_types()) {
      CAPTURE(name_of(type));
      CHECK(types.contains(type) == facts.kernels.contains(type));
    }
  }
}

TEST_CASE("facts of some operators, by hand") {
  const auto kernels = [](std::string_view op, DType type) { return facts_of(op).kernels.at(type).at(Isa::scalar); };
  CHECK(kernels("Relu", DType::f32) == std::set<std::string>{"map"});
  CHECK(kernels("Relu", DType::f16) == std::set<std::string>{"host"});
  CHECK(kernels("Conv", DType::f32).contains("gemm"));
  CHECK(!facts_of("Relu").kernels.contains(DType::boolean));
  CHECK(facts_of("Relu").coverage.begin()->first == Coverage::exact);
  CHECK(facts_of("Reshape").runs == Runs::never);
  CHECK(facts_of("HannWindow").runs == Runs::at_load);
  CHECK(facts_of("HannWindow").coverage.begin()->first == Coverage::free);
  CHECK(facts_of("DFT").coverage.begin()->first == Coverage::approximate);
  CHECK(facts_of("If").runs == Runs::steps);
}

TEST_CASE("operators are listed once, and not among those out of scope") {
  std::set<std::string_view> names;
  for (const SupportedOperator& row : supported_operators()) CHECK(names.insert(row.op).second);
  for (const ExcludedOperator& row : excluded_operators()) CHECK(names.insert(row.op).second);
}

TEST_CASE("what is out of scope is refused by name, with the reason") {
  const auto error = [](const std::string& op, const std::string& domain) {
    try {
      registry().make({"s", op, domain, "", {"x"}, {"s"}, {}, 17});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  CHECK(error("SequenceAt", "") ==
        "SequenceAt 's': an operator of ai.onnx must be for inference on tensors (out of scope: sequences)");
  CHECK(error("ImageDecoder", "ai.onnx").find("out of scope: image decoding") != std::string::npos);
  for (const char* op :
       {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
    CHECK(error(op, "") == std::string(op) + " 's': an operator of ai.onnx must be for inference on tensors (out of " +
                               "scope: random numbers)");
  CHECK(error("Adam", "ai.onnx.preview.training").find("out of scope: training") != std::string::npos);
  CHECK(error("Foo", "") ==
        "Foo 's': operator Foo of domain 'ai.onnx' at opset 17 is not known; must be a supported operator");
  CHECK(out_of_scope("com.example", "SequenceAt").empty());
}

TEST_CASE("examples in words without a meaning are a defect") {
  for (const char* example : {"T", "T[a]", "X[2]", "a=@b", "f32[2]=1", "->x", "axis=1-"})
    CHECK_THROWS_AS(example_graph("Relu", 17, example, DType::f32), Error);
}

}  // namespace
