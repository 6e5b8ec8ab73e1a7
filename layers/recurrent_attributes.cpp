// What a recurrent node's attributes say: direction, activations with their alpha and beta, clip.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

#include "tally/layers/recurrent.h"

namespace tally {

namespace {

struct FunctionRow {
  std::string_view name;
  CellFunction function;
  bool takes_alpha, takes_beta;
  float alpha,
      beta;  ///< defaults: of the ONNX operators of the same name; those of Affine and ScaledTanh change nothing
};

constexpr FunctionRow kFunctions[] = {
    {"Relu", CellFunction::relu, false, false, 0, 0},
    {"Tanh", CellFunction::tanh, false, false, 0, 0},
    {"Sigmoid", CellFunction::sigmoid, false, false, 0, 0},
    {"Affine", CellFunction::affine, true, true, 1, 0},
    {"LeakyRelu", CellFunction::leaky_relu, true, false, 0.01f, 0},
    {"ThresholdedRelu", CellFunction::thresholded_relu, true, false, 1, 0},
    {"ScaledTanh", CellFunction::scaled_tanh, true, true, 1, 1},
    {"HardSigmoid", CellFunction::hard_sigmoid, true, true, 0.2f, 0.5f},
    {"Elu", CellFunction::elu, true, false, 1, 0},
    {"Softsign", CellFunction::softsign, false, false, 0, 0},
    {"Softplus", CellFunction::softplus, false, false, 0, 0},
};

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

const FunctionRow& function_named(const Node& node, const std::string& name) {
  for (const FunctionRow& row : kFunctions)
    if (same_name(row.name, name)) return row;
  std::string known;
  for (const FunctionRow& row : kFunctions) known += (known.empty() ? "" : ", ") + std::string(row.name);
  fail(node.label(), "activation '" + name + "'", "must be one of " + known);
}

std::vector<std::string> default_names(CellKind kind) {
  if (kind == CellKind::elman) return {"Tanh"};
  if (kind == CellKind::gru) return {"Sigmoid", "Tanh"};
  return {"Sigmoid", "Tanh", "Tanh"};
}

std::vector<std::string> activation_names(const Node& node, CellKind kind, int directions) {
  const auto per_direction = static_cast<size_t>(functions_of(kind)),
             wanted = per_direction * static_cast<size_t>(directions);
  std::vector<std::string> names;
  if (node.has("activations")) {
    const Attribute& given = node.attributes.at("activations");
    if (!std::holds_alternative<std::vector<std::string>>(given))
      fail(node.label(), "activations of another type", "must be a list of strings");
    names = std::get<std::vector<std::string>>(given);
  }
  if (names.empty())
    for (int d = 0; d < directions; ++d)
      for (const std::string& name : default_names(kind)) names.push_back(name);
  // The schema's default of RNN names two, whatever the direction.
  if (kind == CellKind::elman && directions == 1 && names == std::vector<std::string>{"Tanh", "Tanh"}) names.pop_back();
  if (names.size() != wanted)
    fail(node.label(), text(names.size(), " activations"),
         text("must be ", wanted, ": ", per_direction, " a direction"));
  return names;
}

/// Values of activation_alpha or activation_beta by activation. They are consumed in order by the activations that take
/// one; where there is one for each activation, each has its own. What is left keeps its default.
void spread(const Node& node, const char* key, const std::vector<const FunctionRow*>& rows, bool FunctionRow::*takes,
            float CellActivation::*member, std::vector<CellActivation>& activations) {
  const std::vector<float> values = node.get_floats(key);
  const auto takers =
      static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [&](const FunctionRow* row) { return row->*takes; }));
  const bool one_each = values.size() == rows.size();
  if (!one_each && values.size() > takers)
    fail(node.label(), text(key, " of ", values.size(), " values"),
         text("must have at most ", takers, " (one an activation that takes it) or ", rows.size()));
  size_t next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!(rows[i]->*takes)) continue;
    const size_t at = one_each ? i : next++;
    if (at >= values.size()) continue;
    if (!std::isfinite(values[at])) fail(node.label(), text(key, "[", at, "]=", values[at]), "must be finite");
    activations[i].*member = values[at];
  }
}

SequenceDirection direction_of(const Node& node) {
  const std::string name = node.get_string("direction", "forward");
  if (name == "forward") return SequenceDirection::forward;
  if (name == "reverse") return SequenceDirection::reverse;
  if (name == "bidirectional") return SequenceDirection::bidirectional;
  fail(node.label(), "direction='" + name + "'", "must be forward, reverse or bidirectional");
}

bool flag(const Node& node, const char* key) {
  const int64_t value = node.get_int(key, 0);
  if (value != 0 && value != 1) fail(node.label(), text(key, "=", value), "must be 0 or 1");
  return value != 0;
}

}  // namespace

RecurrentAttributes read_recurrent(const Node& node, CellKind kind) {
  RecurrentAttributes a;
  a.direction = direction_of(node);
  a.batch_first = flag(node, "layout");
  a.input_forget = kind == CellKind::lstm && flag(node, "input_forget");
  a.linear_before_reset = kind == CellKind::gru && flag(node, "linear_before_reset");
  if (node.has("hidden_size")) {
    a.hidden_size = node.get_int("hidden_size", 0);
    if (*a.hidden_size < 1) fail(node.label(), text("hidden_size=", *a.hidden_size), "must be >= 1");
  }
  if (node.has("clip")) {
    a.clip = node.get_float("clip", 0);
    if (!(*a.clip > 0)) fail(node.label(), text("clip=", *a.clip), "must be > 0");
  }
  std::vector<const FunctionRow*> rows;
  for (const std::string& name : activation_names(node, kind, a.directions())) {
    rows.push_back(&function_named(node, name));
    a.activations.push_back({rows.back()->function, rows.back()->alpha, rows.back()->beta});
  }
  spread(node, "activation_alpha", rows, &FunctionRow::takes_alpha, &CellActivation::alpha, a.activations);
  spread(node, "activation_beta", rows, &FunctionRow::takes_beta, &CellActivation::beta, a.activations);
  return a;
}

}  // namespace tally
