#pragma once
// Protobuf messages made by hand: what a writer that respects the format would refuse to write.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace tally::test {

class Message {
 public:
  std::string bytes;

  Message& varint(uint32_t field, int64_t value) { return tag(field, 0).put(static_cast<uint64_t>(value)); }
  Message& blob(uint32_t field, std::string_view value) {
    tag(field, 2).put(value.size());
    bytes += value;
    return *this;
  }
  Message& message(uint32_t field, const Message& inner) { return blob(field, inner.bytes); }
  Message& f32(uint32_t field, float value) { return tag(field, 5).raw(&value, sizeof value); }
  Message& f64(uint32_t field, double value) { return tag(field, 1).raw(&value, sizeof value); }
  Message& packed(uint32_t field, const std::vector<int64_t>& values) {
    Message list;
    for (int64_t value : values) list.put(static_cast<uint64_t>(value));
    return message(field, list);
  }
  template <class T>
  Message& packed_fixed(uint32_t field, const std::vector<T>& values) {
    return blob(field, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  Message& tag(uint32_t field, uint32_t wire_type) { return put(uint64_t{field} << 3 | wire_type); }
  Message& put(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
    return *this;
  }
  Message& raw(const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return *this;
  }
};

// ------------------------------------------------------------------------------ messages of ONNX, by their field
// numbers

inline Message opset(int64_t version, std::string_view domain = "") {
  return Message().blob(1, domain).varint(2, version);
}

/// A ModelProto of one graph.
inline Message model(const Message& graph, int64_t version = 13) {
  return Message().varint(1, 8).message(8, opset(version)).message(7, graph);
}

/// A ValueInfoProto of a tensor.
inline Message value(std::string_view name, const std::vector<int64_t>& extents, int64_t elem_type = 1) {
  Message shape;
  for (int64_t extent : extents) shape.message(1, Message().varint(1, extent));
  return Message().blob(1, name).message(2, Message().message(1, Message().varint(1, elem_type).message(2, shape)));
}

inline Message node(std::string_view op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, std::string_view name = "") {
  Message m;
  for (const std::string& input : inputs) m.blob(1, input);
  for (const std::string& output : outputs) m.blob(2, output);
  if (!name.empty()) m.blob(3, name);
  return m.blob(4, op);
}

inline Message int_attribute(std::string_view name, int64_t value) {
  return Message().blob(1, name).varint(3, value).varint(20, 2);
}
inline Message graph_attribute(std::string_view name, const Message& graph) {
  return Message().blob(1, name).message(6, graph).varint(20, 5);
}
inline Message tensor_attribute(std::string_view name, const Message& tensor) {
  return Message().blob(1, name).message(5, tensor).varint(20, 4);
}

/// A TensorProto without data.
inline Message tensor(std::string_view name, int64_t data_type, const std::vector<int64_t>& dims) {
  return Message().packed(1, dims).varint(2, data_type).blob(8, name);
}
inline Message float_tensor(std::string_view name, const std::vector<int64_t>& dims, const std::vector<float>& values) {
  return tensor(name, 1, dims).blob(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}
/// A tensor whose bytes lie in another file.
inline Message external_tensor(std::string_view name, const std::vector<int64_t>& dims, std::string_view location,
                               std::string_view offset = "", std::string_view length = "") {
  const auto entry = [](std::string_view key, std::string_view text) { return Message().blob(1, key).blob(2, text); };
  Message m = tensor(name, 1, dims).message(13, entry("location", location)).varint(14, 1);
  if (!offset.empty()) m.message(13, entry("offset", offset));
  if (!length.empty()) m.message(13, entry("length", length));
  return m;
}

/// GraphProto of y = Relu(x), x and y of 2 x 3; further fields are appended by the caller.
inline Message relu_graph() {
  return Message()
      .message(1, node("Relu", {"x"}, {"y"}, "r"))
      .blob(2, "g")
      .message(11, value("x", {2, 3}))
      .message(12, value("y", {2, 3}));
}
/// The same with one more field, the node's output plus `more`.
inline Message relu_graph_with(uint32_t field, const Message& more) { return relu_graph().message(field, more); }

}  // namespace tally::test
