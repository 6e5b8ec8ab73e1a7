#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/read_graph.h"

namespace tally::onnx {
namespace {

constexpr const char* kTypeNames[] = {"undefined",      "float", "int",     "string",  "tensor", "graph",
                                      "floats",         "ints",  "strings", "tensors", "graphs", "sparse tensor",
                                      "sparse tensors", "type",  "types"};

/// An AttributeProto before it is known which of its values counts.
struct RawAttribute {
  std::string name, reference;
  int64_t type = 0;
  uint32_t present = 0;  ///< a bit an AttributeType whose field is there
  float f = 0;
  int64_t i = 0;
  data_view s, tensor, graph, sparse_tensor;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;

  void mark(AttributeType kind) { present |= 1u << static_cast<int>(kind); }
  bool has(AttributeType kind) const { return (present >> static_cast<int>(kind) & 1) != 0; }
};

constexpr uint64_t kKnown =
    known({attribute_field::name, attribute_field::f, attribute_field::i, attribute_field::s, attribute_field::t,
           attribute_field::g, attribute_field::floats, attribute_field::ints, attribute_field::strings,
           attribute_field::tensors, attribute_field::graphs, attribute_field::type_proto, attribute_field::type_protos,
           attribute_field::type, attribute_field::ref_attr_name, attribute_field::sparse_tensor,
           attribute_field::sparse_tensors});

/// Lists, packed or one element a field; false where the field is none of them.
bool read_list(FieldReader& m, RawAttribute& a, Budget& budget) {
  const Field field = m.tag();
  switch (m.tag_and_type()) {
    case fixed32(attribute_field::floats):
      a.floats.push_back(m.get_float());
      break;
    case bytes(attribute_field::floats):
      for (float value : m.get_packed_float()) a.floats.push_back(value);
      break;
    case varint(attribute_field::ints):
      a.ints.push_back(m.get_int64());
      break;
    case bytes(attribute_field::ints):
      for (int64_t value : m.get_packed_int64()) a.ints.push_back(value);
      break;
    case bytes(attribute_field::strings):
      a.strings.push_back(to_text(m.get_view()));
      budget.charge_string(a.strings.back().size());
      break;
    default:
      return false;
  }
  if (field == attribute_field::floats) a.mark(AttributeType::floats);
  if (field == attribute_field::ints) a.mark(AttributeType::ints);
  if (field == attribute_field::strings) a.mark(AttributeType::strings);
  return true;
}

void read_fields(data_view message, RawAttribute& a, Budget& budget) {
  const auto skip_as = [&a](FieldReader& m, AttributeType kind) { m.skip(), a.mark(kind); };
  FieldReader m(message);
  while (m.next()) {
    if (read_list(m, a, budget)) continue;
    switch (m.tag_and_type()) {
      case bytes(attribute_field::name):
        a.name = to_text(m.get_view());
        break;
      case bytes(attribute_field::ref_attr_name):
        a.reference = to_text(m.get_view());
        break;
      case varint(attribute_field::type):
        a.type = m.get_int64();
        break;
      case fixed32(attribute_field::f):
        a.f = m.get_float(), a.mark(AttributeType::f);
        break;
      case varint(attribute_field::i):
        a.i = m.get_int64(), a.mark(AttributeType::i);
        break;
      case bytes(attribute_field::s):
        a.s = m.get_view(), a.mark(AttributeType::s);
        break;
      case bytes(attribute_field::t):
        a.tensor = m.get_view(), a.mark(AttributeType::tensor);
        break;
      case bytes(attribute_field::g):
        a.graph = m.get_view(), a.mark(AttributeType::graph);
        break;
      case bytes(attribute_field::sparse_tensor):
        a.sparse_tensor = m.get_view(), a.mark(AttributeType::sparse_tensor);
        break;
      case bytes(attribute_field::tensors):
        skip_as(m, AttributeType::tensors);
        break;
      case bytes(attribute_field::graphs):
        skip_as(m, AttributeType::graphs);
        break;
      case bytes(attribute_field::sparse_tensors):
        skip_as(m, AttributeType::sparse_tensors);
        break;
      case bytes(attribute_field::type_proto):
        skip_as(m, AttributeType::type_proto);
        break;
      case bytes(attribute_field::type_protos):
        skip_as(m, AttributeType::type_protos);
        break;
      default:
        skip_unknown(m, kKnown, "AttributeProto");
    }
  }
  budget.charge(sizeof(Attribute) + 4 * sizeof(void*) + sizeof(std::string) + a.name.size() + a.s.size() +
                2 * (a.floats.size() * sizeof(float) + a.ints.size() * sizeof(int64_t)));
}

/// The kind that counts: the declared one, else the only one that is there (files of IR version 1 declare none).
/// Writers that leave out zeros (proto3) may declare a kind without any field; another kind in its place is an error.
AttributeType kind_of(const RawAttribute& a) {
  if (a.type < 0 || a.type >= static_cast<int64_t>(std::size(kTypeNames)))
    fail("", text("attribute ", a.name, " is of type number ", a.type), "must be one that ONNX defines");
  auto kind = static_cast<AttributeType>(a.type);
  if (kind != AttributeType::undefined) {
    if (a.present != 0 && !a.has(kind))
      fail("", text("attribute ", a.name, " lacks the value of its type"),
           text("must hold a value of type ", kTypeNames[a.type]));
    return kind;
  }
  for (size_t i = 1; i < std::size(kTypeNames); ++i) {
    if (!a.has(static_cast<AttributeType>(i))) continue;
    if (kind != AttributeType::undefined)
      fail("", "attribute " + a.name + " holds values of two types", "must declare its type");
    kind = static_cast<AttributeType>(i);
  }
  if (kind == AttributeType::undefined) fail("", "attribute " + a.name + " has no value", "must have one");
  return kind;
}

}  // namespace

void GraphReader::read_attribute(data_view message, const Naming& naming, int depth,
                                 std::map<std::string, Attribute>& attributes) {
  RawAttribute a;
  read_fields(message, a, reading_.budget);
  if (a.name.empty()) fail("", "an attribute without a name", "must have one");
  if (attributes.contains(a.name)) fail("", "attribute " + a.name, "must not be given twice");
  if (!a.reference.empty()) {
    if (!naming.in_function)
      fail("", "attribute " + a.name + " refers to " + a.reference, "must do so in a function only");
    if (const auto argument = naming.arguments.find(a.reference); argument != naming.arguments.end())
      attributes.emplace(a.name, argument->second);
    return;
  }
  const AttributeType kind = kind_of(a);
  switch (kind) {
    case AttributeType::f:
      attributes.emplace(a.name, a.f);
      break;
    case AttributeType::i:
      attributes.emplace(a.name, a.i);
      break;
    case AttributeType::s:
      attributes.emplace(a.name, to_text(a.s));
      break;
    case AttributeType::tensor:
      attributes.emplace(a.name, decode_tensor(a.tensor, reading_).tensor);
      break;
    case AttributeType::sparse_tensor:
      attributes.emplace(a.name, decode_sparse_tensor(a.sparse_tensor, reading_).tensor);
      break;
    case AttributeType::graph: {
      auto body = std::make_shared<Graph>();
      read_graph(a.graph, naming, depth + 1, *body);
      attributes.emplace(a.name, std::shared_ptr<const Graph>(std::move(body)));
      break;
    }
    case AttributeType::floats:
      attributes.emplace(a.name, std::move(a.floats));
      break;
    case AttributeType::ints:
      attributes.emplace(a.name, std::move(a.ints));
      break;
    case AttributeType::strings:
      attributes.emplace(a.name, std::move(a.strings));
      break;
    default:
      fail("", text("attribute ", a.name, " is of type ", kTypeNames[static_cast<size_t>(kind)]),
           "must be a number, a string, a tensor, a graph, or a list of numbers or strings");
  }
}

}  // namespace tally::onnx
