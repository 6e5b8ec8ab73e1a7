#include "tools/compare/stored_answers.h"

#include <algorithm>
#include <charconv>

#include "tally/engine/onnx/tensor_proto.h"
#include "tools/input/sequence.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "test_data_set_";

bool is_data_set(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "output_0.pb", ignored) || fs::exists(folder / "input_0.pb", ignored);
}

int64_t number_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int64_t number = 0;
  std::from_chars(name.data() + std::min(name.size(), kPrefix.size()), name.data() + name.size(), number);
  return number;
}

std::vector<fs::path> numbered_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with(kPrefix) && is_data_set(entry.path()))
      sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(number_of(a), a.string()) < std::pair(number_of(b), b.string());
  });
  return sets;
}

/// A stored tensor where one of type `wanted` belongs. ONNX's own cases keep bfloat16 as uint16 of the same bits.
Tensor read_stored(const fs::path& file, const Context& context, DType wanted) {
  Tensor stored = read_tensor_proto(file, context.model().options().max_memory).tensor;
  if (wanted != DType::bf16 || stored.dtype() != DType::u16) return stored;
  return Tensor::of(DType::bf16, stored.shape(), stored.values<uint16_t>());
}

}  // namespace

bool DataSetResult::agrees() const {
  return std::all_of(outputs.begin(), outputs.end(), [](const OutputAgreement& o) { return o.agreement.agrees(); });
}

std::vector<fs::path> data_sets_of(const fs::path& folder) {
  if (is_data_set(folder)) return {folder};
  std::vector<fs::path> sets = numbered_sets(folder);
  if (sets.empty())
    fail("folder '" + folder.string() + "'", "no stored answers",
         "must hold test_data_set_0/input_0.pb and output_0.pb, or be such a set");
  return sets;
}

std::vector<fs::path> data_sets_near(const fs::path& model_file) {
  const fs::path folder = model_file.has_parent_path() ? model_file.parent_path() : fs::path(".");
  const fs::path own = folder / (model_file.stem().string() + "_data");
  if (std::vector<fs::path> sets = numbered_sets(own); !sets.empty()) return sets;
  return data_sets_of(folder);
}

DataSetResult check_data_set(Context& context, const fs::path& folder, const Tolerance& tolerance) {
  const Graph& graph = context.model().graph();
  std::map<std::string, Tensor> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    inputs.emplace(graph.inputs[i].name,
                   read_stored(folder / formatted("input_{}.pb", i), context, graph.inputs[i].dtype));
  const std::vector<Tensor> outputs = infer(context, inputs);
  DataSetResult result{folder, {}};
  for (size_t k = 0; k < outputs.size(); ++k) {
    const fs::path file = folder / formatted("output_{}.pb", k);
    std::error_code ignored;
    if (k > 0 && !fs::exists(file, ignored)) continue;  // answers of the first outputs only
    const Tensor& got = outputs[k];
    const Tensor expected = read_stored(file, context, got.dtype());
    result.outputs.push_back(
        {context.plan().outputs[k].name, got.shape(), compare_tensors(got, expected, tolerance.rtol, tolerance.atol)});
  }
  return result;
}

std::string describe_difference(const OutputAgreement& output) {
  const Agreement& a = output.agreement;
  const std::string who = "output '" + output.name + "'";
  if (!a.mismatch.empty()) return who + ": " + a.mismatch;
  return formatted("{} {}: {:.9g}, expected {:.9g} ({} of {} differ)", who, index_text(a.worst, output.shape),
                   a.worst_got, a.worst_expected, with_thousands(a.differing), with_thousands(a.elements));
}

}  // namespace tally::tools
