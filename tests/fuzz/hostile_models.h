#pragma once
// Models that must be refused, each with the words that its error must hold. Tests read them; the fuzzer starts there.
#include "tests/engine/onnx_message.h"

namespace tally::test {

struct HostileModel {
  std::string name;
  std::string bytes;
  std::string node;   ///< part of Error::node
  std::string found;  ///< part of Error::found
};

/// `depth` If nodes, each in the branch of the one before.
inline std::string nested_bodies(int depth) {
  Message graph = relu_graph();
  for (int i = 0; i < depth; ++i) {
    Message conditional = node("If", {"c"}, {"y"}, "if");
    conditional.message(5, graph_attribute("then_branch", graph));
    graph = Message().message(1, conditional).message(12, value("y", {2, 3}));
  }
  return model(graph).bytes;
}

/// x0 → Relu → x1 → Relu → …; `closed`: the first reads what the last writes.
inline std::string chain(int length, bool closed) {
  Message graph;
  for (int i = 0; i < length; ++i) {
    const std::string in = closed && i == 0 ? "x" + std::to_string(length) : "x" + std::to_string(i);
    graph.message(1, node("Relu", {in}, {"x" + std::to_string(i + 1)}));
  }
  return model(graph.message(11, value("x0", {4})).message(12, value("x" + std::to_string(length), {4}))).bytes;
}

/// Functions f0 … f<count-1>, each calling the next twice (or, the last, the first again).
inline std::string doubling_functions(int count, bool cyclic) {
  Message m = Message().varint(1, 8).message(8, opset(13)).message(8, opset(1, "own"));
  for (int i = 0; i < count; ++i) {
    Message f =
        Message().blob(1, "f" + std::to_string(i)).blob(4, "a").blob(5, "b").blob(10, "own").message(9, opset(13));
    const bool last = i + 1 == count && !cyclic;
    const std::string next = last ? "Relu" : "f" + std::to_string((i + 1) % count);
    for (const auto& [in, out] : {std::pair("a", "t"), std::pair("t", "b")}) {
      Message call = node(next, {in}, {out});
      if (!last) call.blob(7, "own");
      f.message(7, call);
    }
    m.message(25, f);
  }
  const Message call = node("f0", {"x"}, {"y"}, "call").blob(7, "own");
  return m.message(7, Message().message(1, call).message(11, value("x", {4})).message(12, value("y", {4}))).bytes;
}

inline std::vector<HostileModel> hostile_graphs() {
  std::vector<HostileModel> all;
  const auto add = [&](std::string name, std::string bytes, std::string node, std::string found) {
    all.push_back({std::move(name), std::move(bytes), std::move(node), std::move(found)});
  };
  add("empty", "", "model", "0 graphs");
  add("text", "this is no model at all", "model", "malformed bytes");
  add("two_graphs", Message(model(relu_graph())).message(7, relu_graph()).bytes, "model", "2 graphs");
  add("graph_as_number", Message().varint(1, 8).message(8, opset(13)).varint(7, 5).bytes, "model",
      "field 7 of a ModelProto");
  // Lengths that are negative in 32 bits, or small once cut down to them.
  for (const uint64_t length : {uint64_t{0x80000000}, uint64_t{0xffffffff}, (uint64_t{1} << 32) + 2, ~uint64_t{0}})
    for (const uint32_t field : {7u, 6u})
      add("length_" + std::to_string(length) + "_of_" + std::to_string(field),
          Message(model(relu_graph())).tag(field, 2).put(length).raw("ab", 2).bytes, "model", "malformed bytes");
  add("no_opset", Message().varint(1, 8).message(7, relu_graph()).bytes, "Relu 'r'", "an operator of ai.onnx");
  add("opset_0", model(relu_graph(), 0).bytes, "model", "ai.onnx opset 0");
  add("opset_1", model(relu_graph(), 1).bytes, "Relu 'r'", "ai.onnx opset 1");
  add("opset_25", model(relu_graph(), 25).bytes, "model", "ai.onnx opset 25");
  add("opset_huge", model(relu_graph(), int64_t{1} << 33).bytes, "model", "ai.onnx opset 8589934592");
  add("two_opsets", Message(model(relu_graph())).message(8, opset(12)).bytes, "model", "opsets 13 and 12");
  add("no_output", model(Message().message(1, node("Relu", {"x"}, {"y"})).message(11, value("x", {2}))).bytes, "model",
      "no graph output");
  add("sequence_input",
      model(relu_graph().message(11, Message().blob(1, "s").message(2, Message().message(4, Message())))).bytes,
      "value 's'", "a sequence");
  add("unknown_elem_type", model(relu_graph().message(11, value("z", {1}, 99))).bytes, "value 'z'", "elem_type 99");
  add("negative_extent", model(relu_graph().message(11, value("z", {2, -5}))).bytes, "value 'z'", "extent -5");
  add("overflowing_extents", model(relu_graph().message(11, value("z", {int64_t{1} << 40, int64_t{1} << 40}))).bytes,
      "value 'z'", "shape 1099511627776x1099511627776");
  add("output_without_producer", model(relu_graph().message(12, value("z", {1}))).bytes, "graph output",
      "'z' has no producer");
  add("dangling_input", model(relu_graph_with(1, node("Add", {"x", "w"}, {"z"}, "a"))).bytes, "Add 'a'",
      "input 'w' has no producer");
  add("produced_twice", model(relu_graph_with(1, node("Tanh", {"x"}, {"y"}, "t"))).bytes, "Tanh 't'",
      "'y' is produced again");
  add("overwrites_input", model(relu_graph_with(1, node("Tanh", {"y"}, {"x"}, "t"))).bytes, "Tanh 't'",
      "'x' is produced again");
  add("same_input_twice", model(relu_graph().message(11, value("x", {2, 3}))).bytes, "graph input",
      "'x' is produced again");
  add("self_loop", model(relu_graph_with(1, node("Add", {"x", "z"}, {"z"}, "a"))).bytes, "Add 'a'",
      "depends on this node's own");
  add("cycle", chain(3, true), "Relu", "depends on this node's own output");
  add("long_cycle", chain(100000, true), "Relu", "depends on this node's own output");
  add("no_op_type", model(relu_graph_with(1, Message().blob(1, "x").blob(2, "z"))).bytes, "node 1",
      "a node without op_type");
  add("nested_100", nested_bodies(100), "If 'if'", "graphs nested");
  add("nested_5000", nested_bodies(5000), "If 'if'", "graphs nested");
  add("function_calls_itself", doubling_functions(1, true), "'call", "calls nested");
  add("functions_grow", doubling_functions(60, false), "'call", "functions of more than");
  return all;
}

inline std::vector<HostileModel> hostile_attributes() {
  std::vector<HostileModel> all;
  const auto add = [&](std::string name, const Message& attribute, std::string found) {
    Message relu = node("Relu", {"x"}, {"z"}, "r2").message(5, attribute);
    all.push_back({std::move(name), model(relu_graph_with(1, relu)).bytes, "Relu 'r2'", std::move(found)});
  };
  add("attribute_nameless", Message().varint(3, 1).varint(20, 2), "an attribute without a name");
  add("attribute_empty", Message().blob(1, "a"), "attribute a has no value");
  add("attribute_two_types", Message().blob(1, "a").varint(3, 1).blob(4, "x"), "attribute a holds values of two types");
  add("attribute_contradicts", Message().blob(1, "a").blob(4, "text").varint(20, 2),
      "attribute a lacks the value of its type");
  add("attribute_type_99", Message().blob(1, "a").varint(3, 1).varint(20, 99), "attribute a is of type number 99");
  add("attribute_confused", Message().blob(1, "a").blob(3, "no number").varint(20, 2), "field 3 of a AttributeProto");
  add("attribute_reference", Message().blob(1, "a").blob(21, "b").varint(20, 2), "attribute a refers to b");
  add("attribute_type_proto", Message().blob(1, "a").message(14, Message()).varint(20, 13),
      "attribute a is of type type");
  add("attribute_tensors", Message().blob(1, "a").message(10, Message()).varint(20, 9),
      "attribute a is of type tensors");
  add("attribute_bad_floats", Message().blob(1, "a").blob(7, "12345").varint(20, 6), "malformed bytes");
  add("attribute_bad_ints", Message().blob(1, "a").blob(8, "\xff\xff").varint(20, 7), "malformed bytes");
  Message twice = node("Relu", {"x"}, {"z"}, "r2").message(5, int_attribute("a", 1)).message(5, int_attribute("a", 2));
  all.push_back({"attribute_twice", model(relu_graph_with(1, twice)).bytes, "Relu 'r2'", "attribute a"});
  const auto constant = [&](std::string name, const Message& c, std::string found) {
    all.push_back({std::move(name), model(relu_graph_with(1, c)).bytes, "Constant 'c'", std::move(found)});
  };
  constant("constant_without_value", node("Constant", {}, {"c"}), "0 attributes");
  constant("constant_without_output", node("Constant", {}, {}, "c").message(5, int_attribute("value_int", 1)),
           "0 outputs");
  constant("constant_string",
           node("Constant", {}, {"c"}).message(5, Message().blob(1, "value_string").blob(4, "s").varint(20, 3)),
           "attribute value_string");
  constant("constant_confused", node("Constant", {}, {"c"}).message(5, int_attribute("value", 1)),
           "attribute value is an integer");
  return all;
}

/// What is found of 2^40 elements: 32-bit machines cannot address them in the first place.
inline const char* in_64_bits(const char* found) { return sizeof(void*) == 8 ? found : "shape 1099511627776"; }

inline std::vector<HostileModel> hostile_tensors() {
  std::vector<HostileModel> all;
  const auto add = [&](std::string name, const Message& initializer, std::string found,
                       std::string node = "tensor 'w'") {
    all.push_back(
        {std::move(name), model(relu_graph().message(5, initializer)).bytes, std::move(node), std::move(found)});
  };
  add("tensor_nameless", float_tensor("", {1}, {1}), "''", "initializer");
  all.push_back(
      {"tensor_twice",
       model(relu_graph().message(5, float_tensor("w", {1}, {1})).message(5, float_tensor("w", {1}, {1}))).bytes,
       "initializer 'w'", "a second tensor"});
  add("tensor_type_0", tensor("w", 0, {1}), "data_type 0");
  add("tensor_type_99", tensor("w", 99, {1}), "data_type 99");
  add("tensor_negative", tensor("w", 1, {-1}), "extent -1");
  add("tensor_without_data", tensor("w", 1, {2, 3}), "float_data of 0 elements");
  add("tensor_short_raw", float_tensor("w", {2, 3}, {1, 2, 3}), "raw_data of 12 bytes");
  add("tensor_long_raw", float_tensor("w", {2}, {1, 2, 3}), "raw_data of 12 bytes");
  add("tensor_huge", float_tensor("w", {int64_t{1} << 40}, {1}), in_64_bits("raw_data of 4 bytes"));
  add("tensor_huge_empty", tensor("w", 1, {int64_t{1} << 40}), in_64_bits("float_data of 0 elements"));
  add("tensor_overflow", tensor("w", 1, {int64_t{1} << 32, int64_t{1} << 32}), "shape 4294967296x4294967296");
  add("tensor_overflow_to_zero", tensor("w", 1, {int64_t{1} << 62, 4}), "shape 4611686018427387904x4");
  add("tensor_rank", tensor("w", 1, std::vector<int64_t>(1000, 1)), "rank 1000");
  add("tensor_wrong_field", tensor("w", 1, {2}).packed(7, {1, 2}), "float_data of 0 elements and 2 elsewhere");
  add("tensor_two_data", float_tensor("w", {1}, {1}).packed_fixed<float>(4, {1}), "raw_data and typed data");
  add("tensor_odd_floats", tensor("w", 1, {1}).blob(4, "12345"), "packed data of 5 bytes");
  add("tensor_short_int64", tensor("w", 7, {3}).packed(7, {1, 2}), "int64_data of 2 elements");
  add("tensor_int8_range", tensor("w", 3, {1}).packed(5, {128}), "element 128");
  add("tensor_bool_range", tensor("w", 9, {1}).packed(5, {2}), "element 2");
  add("tensor_bad_varint", tensor("w", 6, {1}).blob(5, std::string(11, '\x80') + "\x01"), "malformed bytes");
  add("tensor_confused_dims", Message().blob(8, "w").f32(1, 2.0f).varint(2, 1), "field 1 of a TensorProto");
  add("tensor_segment", float_tensor("w", {1}, {1}).message(3, Message()), "a segment");
  add("external_no_location", external_tensor("w", {1}, ""), "external data ''");
  add("external_absolute", external_tensor("w", {1}, "/etc/passwd"), "external data '/etc/passwd'");
  add("external_parent", external_tensor("w", {1}, "../w.bin"), "external data '../w.bin'");
  add("external_parent_inside", external_tensor("w", {1}, "a/../../w.bin"), "external data 'a/../../w.bin'");
  add("external_bad_offset", external_tensor("w", {1}, "w.bin", "-4"), "external data offset '-4'");
  add("external_wrong_length", external_tensor("w", {1}, "w.bin", "0", "3"), "external data of 3 bytes");
  add("external_missing", external_tensor("w", {1}, "no_such_file.bin"), "");
  add("external_itself_dot", external_tensor("w", {1}, "."), "");

  const auto sparse = [&](std::string name, const Message& values, const Message& indices, std::vector<int64_t> dims,
                          std::string found) {
    const Message s = Message().message(1, values).message(2, indices).packed(3, dims);
    all.push_back({std::move(name), model(relu_graph().message(15, s)).bytes, "sparse tensor 'w'", std::move(found)});
  };
  const auto indices = [](std::vector<int64_t> dims, std::vector<int64_t> list) {
    return tensor("", 7, dims).packed(7, list);
  };
  sparse("sparse_outside", float_tensor("w", {1}, {1}), indices({1}, {9}), {3, 3}, "sparse index 9");
  sparse("sparse_negative", float_tensor("w", {1}, {1}), indices({1, 2}, {0, -1}), {3, 3}, "sparse index -1");
  sparse("sparse_shape", float_tensor("w", {1}, {1}), indices({2}, {0, 1}), {3, 3}, "sparse indices int64 2");
  sparse("sparse_huge", float_tensor("w", {1}, {1}), indices({1}, {0}), {int64_t{1} << 40},
         in_64_bits("reading takes more than"));
  return all;
}

inline std::vector<HostileModel> hostile_models() {
  std::vector<HostileModel> all = hostile_graphs();
  for (auto& list : {hostile_attributes(), hostile_tensors()}) all.insert(all.end(), list.begin(), list.end());
  return all;
}

/// A sound model with something of everything, for mutations: initialisers of three kinds, a constant, a body, a call.
inline std::string sound_model() {
  Message conv = node("Conv", {"x", "w", "b"}, {"h"}, "/layer/Conv").message(5, int_attribute("group", 1));
  conv.message(5, Message().blob(1, "pads").packed(8, {1, 1, 1, 1}).varint(20, 7));
  conv.message(5, Message().blob(1, "auto_pad").blob(4, "NOTSET").varint(20, 3));
  const Message constant =
      node("Constant", {}, {"k"}).message(5, tensor_attribute("value", tensor("", 9, {}).packed(5, {1})));
  Message branch = node("If", {"k"}, {"y"}, "if");
  for (const char* which : {"then_branch", "else_branch"})
    branch.message(
        5, graph_attribute(which, Message().message(1, node("Relu", {"f"}, {"z"})).message(12, value("z", {2, 3}))));
  const Message call = node("twice", {"h"}, {"f"}, "call").blob(7, "own");
  const Message function = Message()
                               .blob(1, "twice")
                               .blob(10, "own")
                               .blob(4, "a")
                               .blob(5, "b")
                               .message(9, opset(13))
                               .message(7, node("Add", {"a", "a"}, {"b"}));
  Message graph = Message().message(1, conv).message(1, constant).message(1, call).message(1, branch).blob(2, "g");
  graph.message(5, float_tensor("w", {1, 1, 2}, {1, 2})).message(5, tensor("b", 10, {2}).packed(5, {15360, 0}));
  graph.message(5, tensor("i", 7, {2}).varint(7, 1).varint(7, -1));
  graph.message(
      15,
      Message().message(1, float_tensor("s", {1}, {1})).message(2, tensor("", 7, {1}).packed(7, {3})).packed(3, {4}));
  graph.message(11, value("x", {1, 1, 4})).message(11, value("w", {1, 1, 2})).message(12, value("y", {2, 3}));
  return Message(model(graph)).blob(2, "producer").message(8, opset(1, "own")).message(25, function).bytes;
}

}  // namespace tally::test
