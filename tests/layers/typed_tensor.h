#pragma once
// Tensors of any numeric type from doubles.
#include "layer_run.h"
#include "tally/layers/host_number.h"

namespace tally::test {

inline Tensor typed_tensor(DType type, const Shape& shape, const std::vector<double>& values) {
  Tensor t(type, shape);
  with_element_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_integral_v<T>)
        t.mutable_values<T>()[i] = static_cast<T>(static_cast<int64_t>(values[i]));
      else
        t.mutable_values<T>()[i] = from_sum<T>(values[i]);
    }
  });
  return t;
}

/// A graph of one node with inputs x0, x1 …, output y.
inline GraphMaker one_node(const std::string& op, const std::vector<Tensor>& inputs,
                           std::map<std::string, Attribute> attributes = {}, int opset = 24) {
  GraphMaker g;
  std::vector<std::string> names;
  for (const Tensor& input : inputs) {
    names.push_back("x" + std::to_string(names.size()));
    g.input(names.back(), input);
  }
  return g.node(op, names, "y", std::move(attributes), opset).output("y");
}

/// The one output of one_node.
inline std::vector<double> result_of(const std::string& op, const std::vector<Tensor>& inputs,
                                     std::map<std::string, Attribute> attributes = {}, int opset = 24,
                                     Isa isa = best_isa()) {
  return run_graph(one_node(op, inputs, std::move(attributes), opset), isa).outputs[0].to_double();
}

inline std::string error_text(const GraphMaker& made) {
  try {
    run_graph(made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// What the only node of a graph answers when it is asked how it streams.
inline StreamStep stream_of(const std::string& op, const std::vector<Shape>& shapes, std::vector<int> time_axes,
                            std::map<std::string, Attribute> attributes = {}, const std::vector<Tensor>& constants = {},
                            int opset = 24) {
  Node node{"y", op, "", "", {}, {"y"}, std::move(attributes), opset};
  std::vector<Operand> operands;
  for (const Shape& shape : shapes) operands.push_back({DType::f32, shape, nullptr, "x", true});
  for (const Tensor& constant : constants)
    operands.push_back({constant.dtype(), constant.shape(), &constant, "c", true});
  for (const Operand& operand : operands) node.inputs.push_back(operand.name);
  time_axes.resize(operands.size(), kNoTimeAxis);
  return registry().make(node)->stream(operands, time_axes);
}

}  // namespace tally::test
