#include "tally/engine/onnx/reader.h"

#include <new>
#include <stdexcept>

#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/opset.h"
#include "tally/engine/onnx/read_graph.h"

namespace tally {
namespace onnx {
namespace {

/// An OperatorSetIdProto.
void read_import(FieldReader m, Opsets& opsets, Budget& budget) {
  std::string domain;
  int64_t version = 0;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(opset_field::domain):
        domain = canonical_domain(to_text(m.get_view()));
        break;
      case varint(opset_field::version):
        version = m.get_int64();
        break;
      default:
        skip_unknown(m, known({opset_field::domain, opset_field::version}), "OperatorSetIdProto");
    }
  check_import(domain, version);
  budget.charge(128 + 2 * domain.size());
  const auto [found, fresh] = opsets.emplace(domain, static_cast<int>(version));
  if (!fresh && found->second != version)
    fail("model", text("opsets ", found->second, " and ", version, " of '", domain, "'"), "must be one");
}

/// A FunctionProto.
void read_function(FieldReader m, Functions& functions, Budget& budget) {
  constexpr uint64_t kKnown = known({function_field::name, function_field::input, function_field::output,
                                     function_field::node, function_field::opset_import, function_field::domain,
                                     function_field::attribute_default, function_field::overload});
  Function function;
  std::string name, domain, overload;
  const auto add_name = [&](std::vector<std::string>& names) {
    names.push_back(to_text(m.get_view()));
    budget.charge(128 + names.back().size());
  };
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(function_field::name):
        name = to_text(m.get_view());
        break;
      case bytes(function_field::domain):
        domain = canonical_domain(to_text(m.get_view()));
        break;
      case bytes(function_field::overload):
        overload = to_text(m.get_view());
        break;
      case bytes(function_field::input):
        add_name(function.inputs);
        break;
      case bytes(function_field::output):
        add_name(function.outputs);
        break;
      case bytes(function_field::node):
        function.nodes.push_back(m.get_view());
        break;
      case bytes(function_field::attribute_default):
        function.attribute_defaults.push_back(m.get_view());
        break;
      case bytes(function_field::opset_import):
        read_import(m.get_message(), function.opsets, budget);
        break;
      default:
        skip_unknown(m, kKnown, "FunctionProto");
    }
  budget.charge(sizeof(Function) +
                (function.nodes.size() + function.attribute_defaults.size()) * 2 * sizeof(data_view));
  const std::string who = "function '" + name + "'";
  if (name.empty()) fail(who, "no name", "must have one");
  if (!functions.emplace(function_key(domain, name, overload), std::move(function)).second)
    fail(who, "a second definition", "must be defined once");
}

/// A ModelProto.
Graph read_model(data_view message, Reading& reading) {
  constexpr uint64_t kKnown = known({model_field::ir_version, model_field::producer_name, model_field::graph,
                                     model_field::opset_import, model_field::functions});
  Graph graph;
  Functions functions;
  data_view graph_message;
  int graphs = 0;
  FieldReader m(message);
  while (m.next()) switch (m.tag_and_type()) {
      case varint(model_field::ir_version):
        graph.ir_version = m.get_int64();
        break;
      case bytes(model_field::producer_name):
        graph.producer = to_text(m.get_view());
        break;
      case bytes(model_field::opset_import):
        read_import(m.get_message(), graph.opsets, reading.budget);
        break;
      case bytes(model_field::functions):
        read_function(m.get_message(), functions, reading.budget);
        break;
      case bytes(model_field::graph):
        graph_message = m.get_view(), ++graphs;
        break;
      default:
        skip_unknown(m, kKnown, "ModelProto");
    }
  if (graphs != 1) fail("", text(graphs, " graphs"), "must be an ONNX model of one graph");
  const Opsets opsets = graph.opsets;
  Naming naming;
  naming.opsets = &opsets;
  GraphReader(reading, functions).read_graph(graph_message, naming, 0, graph);
  if (graph.outputs.empty()) fail("", "no graph output", "must have at least one");
  return graph;
}

}  // namespace
}  // namespace onnx

Graph read_onnx(std::span<const std::byte> bytes, const std::filesystem::path& folder, const ReadOptions& options) {
  onnx::Reading reading{options, folder};
  return onnx::at([] { return std::string("model"); },
                  [&] {
                    try {
                      reading.budget.charge(bytes.size());
                      return onnx::read_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, reading);
                    } catch (const std::bad_alloc&) {
                      fail("", "out of memory while reading", "must fit this machine's memory", ErrorCode::limit);
                    }
                  });
}

Graph read_onnx(const std::filesystem::path& file, const ReadOptions& options) {
  const std::vector<std::byte> bytes = onnx::read_file(file, options.max_bytes);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  return read_onnx(bytes, folder, options);
}

}  // namespace tally
