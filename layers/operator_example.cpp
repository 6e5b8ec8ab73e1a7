#include "tally/layers/operator_example.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "tally/engine/error.h"
#include "tally/layers/element_type.h"
#include "tally/layers/host_number.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

struct Row {
  std::string_view op, example;
};

constexpr Row kRows[] = {
#define TALLY_EXAMPLE(op, example) {#op, example},
#include "tally/layers/examples.inc"
#undef TALLY_EXAMPLE
};

constexpr std::string_view kUsual[] = {"T[2,4,4,4]", "T[2,4,4,4] T[2,4,4,4]", "T[2,4,4,4] T[2,4,4,4] T[2,4,4,4]"};

constexpr std::pair<std::string_view, DType> kTypeWords[] = {{"bool", DType::boolean}, {"u8", DType::u8},
                                                             {"i8", DType::i8},        {"i32", DType::i32},
                                                             {"i64", DType::i64},      {"f32", DType::f32}};

[[noreturn]] void refuse(std::string_view word) {
  fail("example", "'" + std::string(word) + "'", "must have a meaning", ErrorCode::internal);
}

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class T>
T number_of(std::string_view word) {
  // libc++ before 20, and Android's NDK with it, has no from_chars of floating point.
  if constexpr (std::is_floating_point_v<T>) {
    const std::string text(word);
    char* end = nullptr;
    const auto value = static_cast<T>(std::strtod(text.c_str(), &end));
    if (text.empty() || *end != '\0') refuse(word);
    return value;
  } else {
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) refuse(word);
    return value;
  }
}

template <class T>
std::vector<T> numbers_of(std::string_view words) {
  std::vector<T> values;
  for (std::string_view word : parts_of(words, ',')) values.push_back(number_of<T>(word));
  return values;
}

/// Bodies that take any type. branch: x1 of the graph around it. loop: (i, condition, s) → (condition, s, s). scan:
/// (s, e) → (e, s).
Attribute body_of(std::string_view word, int opset) {
  auto body = std::make_shared<Graph>();
  const auto copy = [&](const char* from, const char* to) {
    body->nodes.push_back({to, "Identity", "", "", {from}, {to}, {}, opset});
    body->outputs.push_back({to, DType::undefined, {}});
  };
  const auto declare = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) body->inputs.push_back({name, DType::undefined, {}});
  };
  if (word == "@branch") {
    copy("x1", "y");
  } else if (word == "@loop") {
    declare({"i", "condition", "s"});
    copy("condition", "condition_out"), copy("s", "s_out"), copy("s", "scanned");
  } else if (word == "@scan") {
    declare({"s", "e"});
    copy("e", "s_out"), copy("s", "scanned");
  } else {
    refuse(word);
  }
  body->sort_and_check_body();
  return std::shared_ptr<const Graph>(std::move(body));
}

/// Zeros of the swept type, or the values that follow.
Tensor tensor_of(DType type, const Shape& shape, std::string_view values) {
  Tensor tensor(type, shape);
  const std::vector<double> numbers = numbers_of<double>(values);
  if (!numbers.empty() && static_cast<int64_t>(numbers.size()) != tensor.elements()) refuse(values);
  with_element_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t i = 0; i < numbers.size(); ++i) tensor.mutable_values<T>()[i] = from_real<T>(numbers[i]);
  });
  return tensor;
}

/// What T[2,4], C[4,3], i64[2]=1,-1 stand for.
Tensor typed_tensor(std::string_view word, DType swept) {
  const size_t open = word.find('['), close = word.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos) refuse(word);
  const std::string_view name = word.substr(0, open), values = word.substr(close + 1);
  const auto* fixed =
      std::find_if(std::begin(kTypeWords), std::end(kTypeWords), [&](const auto& t) { return t.first == name; });
  if (fixed == std::end(kTypeWords) && name != "T" && name != "C") refuse(word);
  const DType type = fixed == std::end(kTypeWords) ? swept : fixed->second;
  const Shape shape = numbers_of<int64_t>(word.substr(open + 1, close - open - 1));
  return tensor_of(type, shape, values.substr(std::min<size_t>(1, values.size())));
}

int64_t number_in_onnx(DType type) {
  int64_t code = 1;
  while (type_of_code(code) != type) ++code;
  return code;
}

Attribute attribute_of(std::string_view word, int opset, DType swept) {
  if (word.starts_with('@')) return body_of(word, opset);
  if (word == "T") return number_in_onnx(swept);
  if (word.find('[') != std::string_view::npos) return typed_tensor(word, swept);
  if (word.find_first_not_of("-0123456789.,") != std::string_view::npos) return std::string(word);
  if (word.find(',') != std::string_view::npos) return numbers_of<int64_t>(word);
  if (word.find('.') != std::string_view::npos) return number_of<float>(word);
  return number_of<int64_t>(word);
}

/// Adds a value of the graph: an input, or an initialiser where it is constant. Returns its name.
std::string add_value(std::string_view word, DType swept, Graph& graph) {
  const std::string name = text("x", graph.inputs.size() + graph.initializers.size());
  Tensor tensor = typed_tensor(word, swept);
  if (word.starts_with('C') || word.find('=') != std::string_view::npos) {
    graph.initializers[name] = std::move(tensor);
    return name;
  }
  std::vector<Dim> dims;
  for (int64_t extent : tensor.shape()) dims.push_back({extent, ""});
  graph.inputs.push_back({name, tensor.dtype(), dims});
  return name;
}

}  // namespace

std::vector<std::string_view> operator_examples(std::string_view op) {
  std::vector<std::string_view> examples;
  for (const Row& row : kRows)
    if (row.op == op) examples.push_back(row.example);
  if (examples.empty()) examples.assign(std::begin(kUsual), std::end(kUsual));
  return examples;
}

bool has_own_examples(std::string_view op) {
  return std::any_of(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.op == op; });
}

bool sweeps_types(std::string_view example) {
  const auto holds = [&](std::string_view word) { return example.find(word) != std::string_view::npos; };
  return holds("T[") || holds("C[") || holds("=T");
}

Graph example_graph(std::string_view op, int opset, std::string_view example, DType swept) {
  Graph graph;
  Node node{"example", std::string(op), "", "", {}, {}, {}, opset};
  int64_t outputs = 1;
  for (std::string_view word : parts_of(example, ' ')) {
    const size_t equals = word.find('='), bracket = word.find('[');
    if (word == "-")
      node.inputs.emplace_back();
    else if (word.starts_with("->"))
      outputs = number_of<int64_t>(word.substr(2));
    else if (word.starts_with('('))
      add_value(word.substr(1, word.size() - 2), swept, graph);
    else if (bracket < equals)
      node.inputs.push_back(add_value(word, swept, graph));
    else if (equals != std::string_view::npos)
      node.attributes[std::string(word.substr(0, equals))] = attribute_of(word.substr(equals + 1), opset, swept);
    else
      refuse(word);
  }
  for (int64_t i = 0; i < outputs; ++i) {
    node.outputs.push_back(text("y", i));
    graph.outputs.push_back({node.outputs.back(), DType::undefined, {}});
  }
  graph.nodes.push_back(std::move(node));
  graph.sort_and_check();
  return graph;
}

}  // namespace tally
