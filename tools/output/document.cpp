#include "tools/output/document.h"

#include "nlohmann/json.hpp"
#include "tally/build_info.h"
#include "tools/input/sha256.h"
#include "tools/output/machine.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

ordered_json values_json(const std::vector<ValueInfo>& values) {
  ordered_json list = ordered_json::array();
  for (const ValueInfo& value : values) {
    ordered_json item{{"name", value.name}, {"dtype", name_of(value.dtype)}};
    if (value.shape) {
      item["shape"] = ordered_json::array();
      for (const Dim& dim : *value.shape)
        item["shape"].push_back(dim.value >= 0     ? ordered_json(dim.value)
                                : dim.name.empty() ? ordered_json()
                                                   : ordered_json(dim.name));
    } else {
      item["shape"] = nullptr;
    }
    list.push_back(std::move(item));
  }
  return list;
}

ordered_json model_json(const LoadedModel& loaded) {
  const Graph& graph = loaded.model.graph();
  ordered_json model{{"name", loaded.name}, {"path", loaded.file.string()}};
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(loaded.file, error);
  model["bytes"] = error ? ordered_json() : ordered_json(bytes);
  const std::string digest = sha256_of_file(loaded.file);
  model["sha256"] = digest.empty() ? ordered_json() : ordered_json(digest);
  model["graph"] = graph.name;
  model["producer"] = graph.producer;
  model["ir_version"] = graph.ir_version;
  const auto opset = graph.opsets.find("");
  model["opset"] = opset == graph.opsets.end() ? ordered_json() : ordered_json(opset->second);
  for (const auto& [domain, version] : graph.opsets)
    if (!domain.empty()) model["opset_imports"][domain] = version;
  model["dims"] = loaded.model.options().dims;
  model["inputs"] = values_json(graph.inputs);
  model["outputs"] = values_json(graph.outputs);
  return model;
}

}  // namespace

ordered_json new_document(const std::string& kind, const LoadedModel* model, std::optional<Isa> isa) {
  ordered_json document{{"schema", "tally." + kind + "/1"}, {"version", build_info::kVersion}};
  document["model"] = model != nullptr ? model_json(*model) : ordered_json();
  document["machine"] = machine_json(isa);
  if (model == nullptr) document["missing"]["model"] = "the document is of no single model";
  return document;
}

std::string as_text(const ordered_json& document) {
  return document.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json to_json(const Shape& shape) { return ordered_json(shape); }

ordered_json to_json(const std::vector<Shape>& shapes) {
  ordered_json list = ordered_json::array();
  for (const Shape& shape : shapes) list.push_back(to_json(shape));
  return list;
}

}  // namespace tally::tools
