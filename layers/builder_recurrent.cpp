// The builder's recurrent layers.
#include <algorithm>

#include "tally/layers/builder.h"

namespace tally {

Builder::Recurrence Builder::recurrent(const char* op, Value x, Value w, Value r, Value bias,
                                       const RecurrentOptions& options) {
  std::map<std::string, Attribute> attributes{{"direction", options.direction}};
  if (!options.activations.empty()) attributes["activations"] = options.activations;
  if (!options.alpha.empty()) attributes["activation_alpha"] = options.alpha;
  if (!options.beta.empty()) attributes["activation_beta"] = options.beta;
  if (options.clip != 0) attributes["clip"] = options.clip;
  if (options.input_forget) attributes["input_forget"] = int64_t{1};
  if (options.linear_before_reset) attributes["linear_before_reset"] = int64_t{1};
  if (options.batch_first) attributes["layout"] = int64_t{1};
  // Other readers of the graph ask for it.
  const auto weights =
      std::find_if(constants_.begin(), constants_.end(), [&](const auto& c) { return c.first.id == r.id; });
  if (weights != constants_.end() && weights->second.shape().size() == 3)
    attributes["hidden_size"] = weights->second.shape()[2];
  const auto fed = std::find_if(inputs_.begin(), inputs_.end(), [&](const auto& i) { return i.first.id == x.id; });
  if (fed != inputs_.end() && fed->second.shape->size() == 2) x = unsqueeze(x, {options.batch_first ? 0 : 1});
  const bool lstm = op == std::string("LSTM");
  std::vector<Value> inputs = {x, w, r, bias, options.sequence_lens, options.initial_h};
  if (lstm) inputs.insert(inputs.end(), {options.initial_c, options.peepholes});
  const std::vector<Value> outputs = node(op, inputs, std::move(attributes), lstm ? 3 : 2);
  nodes_.back().outputs_optional = true;
  return {outputs[0], outputs[1], lstm ? outputs[2] : Value{}};
}

Builder::Recurrence Builder::rnn(Value x, Value w, Value r, Value bias, const RecurrentOptions& options) {
  return recurrent("RNN", x, w, r, bias, options);
}
Builder::Recurrence Builder::lstm(Value x, Value w, Value r, Value bias, const RecurrentOptions& options) {
  return recurrent("LSTM", x, w, r, bias, options);
}
Builder::Recurrence Builder::gru(Value x, Value w, Value r, Value bias, const RecurrentOptions& options) {
  return recurrent("GRU", x, w, r, bias, options);
}

}  // namespace tally
