// ONNX's own conformance cases (Debian: libonnx-testdata) of the operators that Tally has, on every instruction set.
// The folder may be named by TALLY_ONNX_TEST_DATA; without it nothing runs, and a message says so.
#include <cstdlib>
#include <filesystem>
#include <set>

#include "layer_run.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"

namespace {

using namespace tally;
using namespace tally::test;
namespace fs = std::filesystem;

constexpr double kRelative = 1e-3, kAbsolute = 1e-7;

const std::set<std::string> kOperators = {
#define TALLY_LAYER(op, first, last, maker) #op,
#define TALLY_RULE(stage, rule)
#include "tally/layers/list.inc"
#undef TALLY_LAYER
#undef TALLY_RULE
};

/// Cases that ask for more than inference on tensors, or for something else than the standard, and why.
const std::map<std::string, std::string> kLeftOut = {
    {"test_batchnorm_epsilon_training_mode", "training"},
    {"test_batchnorm_example_training_mode", "training"},
    {"test_training_dropout", "training"},
    {"test_training_dropout_default", "training"},
    {"test_training_dropout_default_mask", "training"},
    {"test_training_dropout_mask", "training"},
    {"test_training_dropout_zero_ratio", "training"},
    {"test_training_dropout_zero_ratio_mask", "training"},
    {"test_identity_opt", "a value of optional type"},
    {"test_identity_sequence", "a value of sequence type"},
    {"test_cast_FLOAT_to_STRING", "strings"},
    {"test_cast_STRING_to_FLOAT", "strings"},
    {"test_cast_FLOAT_to_BFLOAT16", "its answers are cut off, not rounded to the nearest"},
    {"test_castlike_FLOAT_to_BFLOAT16", "stores an operand of another shape than declared"},
    {"test_castlike_BFLOAT16_to_FLOAT", "stores an operand of another shape than declared"},
    {"test_castlike_FLOAT_to_STRING", "strings"},
    {"test_castlike_STRING_to_FLOAT", "strings"},
    {"test_castlike_FLOAT_to_BFLOAT16_expanded", "stores an operand of another shape than declared"},
    {"test_castlike_BFLOAT16_to_FLOAT_expanded", "stores an operand of another shape than declared"},
    {"test_castlike_FLOAT_to_STRING_expanded", "strings"},
    {"test_castlike_STRING_to_FLOAT_expanded", "strings"},
};

fs::path data_folder() {
  const char* named = std::getenv("TALLY_ONNX_TEST_DATA");
  return named != nullptr && *named != '\0' ? fs::path(named) : "/usr/lib/python3/dist-packages/onnx/backend/test/data";
}

struct Case {
  std::string name;
  fs::path folder;
  Graph graph;
  std::set<std::string> operators;
};

/// Notes the operators of a graph and of the bodies in it; false where one is none of ours.
bool note_operators(const Graph& graph, std::set<std::string>& operators) {
  bool ours = true;
  for (const Node& node : graph.nodes) {
    operators.insert(node.op);
    ours = ours && kOperators.contains(node.op);
    for (const auto& [key, value] : node.attributes)
      if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&value))
        ours = note_operators(**body, operators) && ours;
  }
  return ours;
}

/// The cases whose every node is an operator of ours.
std::vector<Case> cases_in_scope() {
  std::vector<Case> cases;
  for (const char* group : {"node", "simple", "pytorch-converted", "pytorch-operator"}) {
    std::vector<fs::path> folders;
    if (!fs::is_directory(data_folder() / group)) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(data_folder() / group))
      folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
      Case one{folder.filename().string(), folder, {}, {}};
      if (kLeftOut.contains(one.name)) continue;
      try {
        one.graph = read_onnx(folder / "model.onnx");
      } catch (const Error&) {
        continue;  // sequences and strings; what must be read is counted below
      }
      const bool ours = note_operators(one.graph, one.operators);
      if (one.graph.nodes.empty()) one.operators.insert("Constant");
      if (ours) cases.push_back(std::move(one));
    }
  }
  return cases;
}

/// A stored tensor. The cases keep bfloat16 as uint16 of the same bits.
Tensor read_stored(const fs::path& file, const ValueInfo& declared) {
  Tensor stored = read_tensor_proto(file).tensor;
  if (declared.dtype != DType::bf16 || stored.dtype() != DType::u16) return stored;
  Tensor tensor(DType::bf16, stored.shape());
  if (stored.bytes() > 0) std::memcpy(tensor.mutable_data(), stored.data(), stored.bytes());
  return tensor;
}

/// Empty, or how they differ.
std::string difference(const Tensor& found, const Tensor& expected) {
  if (found.dtype() != expected.dtype())
    return text("type ", name_of(found.dtype()), ", must be ", name_of(expected.dtype()));
  if (found.shape() != expected.shape())
    return text("shape ", to_string(found.shape()), ", must be ", to_string(expected.shape()));
  const std::vector<double> a = found.to_double(), b = expected.to_double();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = (std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i] ||
                      std::abs(a[i] - b[i]) <= kAbsolute + kRelative * std::abs(b[i]);
    if (!same) return text("element ", i, " is ", a[i], ", must be ", b[i]);
  }
  return {};
}

/// All data sets of a case; empty, or what went wrong.
std::string run_case(const Case& one, Isa isa) {
  for (int set = 0; fs::is_directory(one.folder / text("test_data_set_", set)); ++set) {
    const fs::path data = one.folder / text("test_data_set_", set);
    GraphMaker made;
    made.graph = one.graph;
    for (size_t i = 0; i < one.graph.inputs.size(); ++i)
      made.feeds[one.graph.inputs[i].name] = read_stored(data / text("input_", i, ".pb"), one.graph.inputs[i]);
    try {
      const Ran ran = run_graph(made, isa);
      for (size_t i = 0; i < one.graph.outputs.size(); ++i) {
        const std::string found =
            difference(ran.outputs[i], read_stored(data / text("output_", i, ".pb"), one.graph.outputs[i]));
        if (!found.empty()) return text("output ", i, " of set ", set, ": ", found);
      }
    } catch (const Error& error) {
      return error.what();
    }
  }
  return {};
}

TEST_CASE("ONNX conformance") {
  if (!fs::is_directory(data_folder())) {
    MESSAGE("skipped: no " << data_folder().string() << " (Debian package libonnx-testdata, or TALLY_ONNX_TEST_DATA)");
    return;
  }
  const std::vector<Case> cases = cases_in_scope();
  CHECK(!cases.empty());
  std::map<std::string, int> passed;
  for (const Case& one : cases) {
    CAPTURE(one.name);
    bool good = true;
    for (const Isa isa : usable_isas()) {
      CAPTURE(name_of(isa));
      const std::string wrong = run_case(one, isa);
      if (!wrong.empty()) FAIL_CHECK(wrong);
      good = good && wrong.empty();
    }
    if (good)
      for (const std::string& op : one.operators) ++passed[op];
  }
  std::string list;
  for (const auto& [op, count] : passed) list += text(list.empty() ? "" : ", ", op, " ", count);
  MESSAGE(cases.size() << " cases run; by operator: " << list);
  for (const auto& [name, why] : kLeftOut) MESSAGE("left out: " << name << " (" << why << ")");
}

}  // namespace
