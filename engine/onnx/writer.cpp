#include "tally/engine/onnx/writer.h"

#include <algorithm>
#include <protozero/pbf_writer.hpp>

#include "tally/engine/error.h"
#include "tally/engine/onnx/encode_tensor.h"
#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/scope_name.h"

namespace tally {
namespace onnx {
namespace {

using protozero::pbf_writer;

/// Initialisers that are no inputs exist from this IR version on.
constexpr int64_t kFirstIrVersion = 4;

/// The IR version that came with an ai.onnx opset (ONNX, docs/Versioning.md).
int64_t ir_version_of(int opset) {
  if (opset <= 8) return kFirstIrVersion;
  if (opset <= 10) return 5;
  if (opset == 11) return 6;
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  return opset == 23 ? 11 : 12;
}

void write_graph(pbf_writer out, const Graph& graph);

void write_type(pbf_writer& out, AttributeType type) {
  out.add_int32(attribute_field::type, static_cast<int32_t>(type));
}

/// Writes the value of one alternative of Attribute, with its type.
struct AttributeWriter {
  pbf_writer& out;
  const std::string& key;

  void operator()(float value) {
    write_type(out, AttributeType::f);
    out.add_float(attribute_field::f, value);
  }
  void operator()(int64_t value) {
    write_type(out, AttributeType::i);
    out.add_int64(attribute_field::i, value);
  }
  void operator()(const std::string& value) {
    write_type(out, AttributeType::s);
    out.add_bytes(attribute_field::s, value);
  }
  void operator()(const Tensor& value) {
    write_type(out, AttributeType::tensor);
    encode_tensor(pbf_writer(out, attribute_field::t), key, value);
  }
  void operator()(const std::shared_ptr<const Graph>& value) {
    write_type(out, AttributeType::graph);
    write_graph(pbf_writer(out, attribute_field::g), *value);
  }
  void operator()(const std::vector<float>& values) {
    write_type(out, AttributeType::floats);
    for (float value : values) out.add_float(attribute_field::floats, value);
  }
  void operator()(const std::vector<int64_t>& values) {
    write_type(out, AttributeType::ints);
    for (int64_t value : values) out.add_int64(attribute_field::ints, value);
  }
  void operator()(const std::vector<std::string>& values) {
    write_type(out, AttributeType::strings);
    for (const std::string& value : values) out.add_bytes(attribute_field::strings, value);
  }
};

/// A scope that the node's name does not tell goes into metadata_props, as PyTorch writes it.
void write_scope(pbf_writer& node, const std::string& scope) {
  std::string list = "[";
  for (size_t at = 0; at <= scope.size();) {
    const size_t end = std::min(scope.find('/', at), scope.size());
    list += "'" + scope.substr(at, end - at) + "', ";
    at = end + 1;
  }
  pbf_writer entry(node, node_field::metadata);
  entry.add_string(entry_field::key, "pkg.torch.onnx.name_scopes");
  entry.add_string(entry_field::value, list + "'']");
}

void write_node(pbf_writer out, const Node& node) {
  for (const std::string& name : node.inputs) out.add_string(node_field::input, name);
  for (const std::string& name : node.outputs) out.add_string(node_field::output, name);
  out.add_string(node_field::name, node.name);
  out.add_string(node_field::op_type, node.op);
  if (!node.domain.empty()) out.add_string(node_field::domain, node.domain);
  for (const auto& [key, value] : node.attributes) {
    pbf_writer attribute(out, node_field::attribute);
    attribute.add_string(attribute_field::name, key);
    std::visit(AttributeWriter{attribute, key}, value);
  }
  if (node.scope != scope_of(node.name, {})) write_scope(out, node.scope);
}

/// A TensorShapeProto. Written apart, because an empty message (a scalar's shape, an open extent) must not be left out.
std::string shape_message(const std::vector<Dim>& dims) {
  std::string bytes;
  pbf_writer shape(bytes);
  for (const Dim& dim : dims) {
    std::string extent;
    if (dim.value >= 0) {
      pbf_writer(extent).add_int64(dim_field::value, dim.value);
    } else if (!dim.name.empty()) {
      pbf_writer(extent).add_string(dim_field::param, dim.name);
    }
    shape.add_message(shape_field::dim, extent);
  }
  return bytes;
}

void write_value_info(pbf_writer out, const ValueInfo& info) {
  out.add_string(value_field::name, info.name);
  if (info.dtype == DType::undefined && !info.shape) return;
  pbf_writer type(out, value_field::type);
  pbf_writer tensor(type, type_field::tensor);
  if (info.dtype != DType::undefined) tensor.add_int32(tensor_type_field::elem_type, dtype_to_onnx(info.dtype));
  if (info.shape) tensor.add_message(tensor_type_field::shape, shape_message(*info.shape));
}

void write_graph(pbf_writer out, const Graph& graph) {
  for (const Node& node : graph.nodes) write_node(pbf_writer(out, graph_field::node), node);
  out.add_string(graph_field::name, graph.name.empty() ? "graph" : graph.name);
  for (const auto& [name, tensor] : graph.initializers)
    encode_tensor(pbf_writer(out, graph_field::initializer), name, tensor);
  for (const ValueInfo& input : graph.inputs) write_value_info(pbf_writer(out, graph_field::input), input);
  for (const ValueInfo& output : graph.outputs) write_value_info(pbf_writer(out, graph_field::output), output);
}

}  // namespace
}  // namespace onnx

std::string to_onnx(const Graph& graph) {
  using namespace onnx;
  std::string bytes;
  protozero::pbf_writer out(bytes);
  const auto opset = graph.opsets.find("");
  const int64_t needed = ir_version_of(opset == graph.opsets.end() ? 0 : opset->second);
  out.add_int64(model_field::ir_version, graph.ir_version == 0 ? needed : std::max(graph.ir_version, kFirstIrVersion));
  if (!graph.producer.empty()) out.add_string(model_field::producer_name, graph.producer);
  write_graph(protozero::pbf_writer(out, model_field::graph), graph);
  for (const auto& [domain, version] : graph.opsets) {
    protozero::pbf_writer import(out, model_field::opset_import);
    import.add_string(opset_field::domain, domain);
    import.add_int64(opset_field::version, version);
  }
  constexpr uint64_t kProtobufLimit = uint64_t{1} << 31;
  if (bytes.size() >= kProtobufLimit)
    fail("model", text(bytes.size(), " bytes"), "must be below 2 GiB", ErrorCode::limit);
  return bytes;
}

void write_onnx(const Graph& graph, const std::filesystem::path& file) { onnx::write_file(file, to_onnx(graph)); }

}  // namespace tally
