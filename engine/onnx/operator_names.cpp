#include "tally/engine/onnx/operator_names.h"

#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/opset.h"
#include "tally/engine/onnx/read_graph.h"
#include "tally/engine/onnx/wire.h"

namespace tally {

namespace onnx {
namespace {

struct Names {
  std::set<OperatorName> used, defined;
};

void read_graph_names(FieldReader m, int depth, Names& names);

/// Every other field is of no interest here, whatever its wire type.
void read_attribute_names(FieldReader m, int depth, Names& names) {
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(attribute_field::g):
      case bytes(attribute_field::graphs):
        read_graph_names(m.get_message(), depth + 1, names);
        break;
      default:
        m.skip();
    }
}

void read_node_names(FieldReader m, int depth, Names& names) {
  OperatorName name;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(node_field::op_type):
        name.op = to_text(m.get_view());
        break;
      case bytes(node_field::domain):
        name.domain = canonical_domain(to_text(m.get_view()));
        break;
      case bytes(node_field::attribute):
        read_attribute_names(m.get_message(), depth, names);
        break;
      default:
        m.skip();
    }
  names.used.insert(std::move(name));
}

void read_graph_names(FieldReader m, int depth, Names& names) {
  if (depth > kMaxDepth)
    fail("", text("graphs nested ", depth, " deep"), text("must be at most ", kMaxDepth), ErrorCode::limit);
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(graph_field::node):
        read_node_names(m.get_message(), depth, names);
        break;
      default:
        m.skip();
    }
}

void read_function_names(FieldReader m, Names& names) {
  OperatorName name;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(function_field::name):
        name.op = to_text(m.get_view());
        break;
      case bytes(function_field::domain):
        name.domain = canonical_domain(to_text(m.get_view()));
        break;
      case bytes(function_field::node):
        read_node_names(m.get_message(), 0, names);
        break;
      default:
        m.skip();
    }
  names.defined.insert(std::move(name));
}

}  // namespace
}  // namespace onnx

std::set<OperatorName> operator_names(const std::filesystem::path& file, size_t max_bytes) {
  using namespace onnx;
  const std::vector<std::byte> content = read_file(file, max_bytes);
  return at([&] { return "file '" + file.string() + "'"; },
            [&] {
              Names names;
              FieldReader m(data_view(reinterpret_cast<const char*>(content.data()), content.size()));
              while (m.next()) switch (m.tag_and_type()) {
                  case bytes(model_field::graph):
                    read_graph_names(m.get_message(), 0, names);
                    break;
                  case bytes(model_field::functions):
                    read_function_names(m.get_message(), names);
                    break;
                  default:
                    m.skip();
                }
              for (const OperatorName& name : names.defined) names.used.erase(name);
              return std::move(names.used);
            });
}

}  // namespace tally
