#include "tests/fuzz/seeds.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tally/engine/onnx/writer.h"
#include "tally/engine/typed_graph.h"
#include "tally/layers/registry.h"
#include "tests/fuzz/hostile_models.h"

namespace tally::test {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = 16384;

fs::path conformance_folder() {
  const char* named = std::getenv("TALLY_ONNX_TEST_DATA");
  return named != nullptr && *named != '\0' ? fs::path(named) : "/usr/lib/python3/dist-packages/onnx/backend/test/data";
}

/// The model of a conformance case, whose values of the first data set stand for inputs that carry shapes.
std::string bound_model(const fs::path& folder) {
  Graph graph = read_onnx(folder / "model.onnx");
  std::vector<ValueInfo> open;
  const std::vector<std::string> carrying = shape_carrying_inputs(graph, registry(), true);
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const std::string& name = graph.inputs[i].name;
    const fs::path file = folder / "test_data_set_0" / text("input_", i, ".pb");
    if (std::find(carrying.begin(), carrying.end(), name) != carrying.end() && fs::exists(file))
      graph.initializers[name] = read_tensor_proto(file).tensor;
    else
      open.push_back(graph.inputs[i]);
  }
  graph.inputs = std::move(open);
  return to_onnx(graph);
}

}  // namespace

std::vector<Seed> seed_models() {
  std::vector<Seed> seeds{{"sound", sound_model()}};
  for (const HostileModel& model : hostile_models())
    if (model.bytes.size() <= kMostBytes) seeds.push_back({model.name, model.bytes});
  std::vector<fs::path> folders;
  for (const char* group : {"node", "simple", "pytorch-converted", "pytorch-operator"})
    if (fs::is_directory(conformance_folder() / group))
      for (const fs::directory_entry& entry : fs::directory_iterator(conformance_folder() / group))
        folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    try {
      std::string bytes = bound_model(folder);
      if (bytes.size() <= kMostBytes) seeds.push_back({folder.filename().string(), std::move(bytes)});
    } catch (const Error&) {  // sequences, strings, operators that are not ours
    }
  }
  return seeds;
}

}  // namespace tally::test
