// The builder's transformer layers.
#include "tally/layers/builder.h"

namespace tally {

Builder::Attended Builder::attention(Value q, Value k, Value v, const AttentionOptions& options) {
  std::map<std::string, Attribute> attributes;
  if (options.q_heads != 0) attributes["q_num_heads"] = options.q_heads;
  if (options.kv_heads != 0) attributes["kv_num_heads"] = options.kv_heads;
  if (options.causal) attributes["is_causal"] = int64_t{1};
  if (options.scale != 0) attributes["scale"] = options.scale;
  if (options.softcap != 0) attributes["softcap"] = options.softcap;
  const std::vector<Value> outputs =
      node("Attention", {q, k, v, options.mask, options.past_key, options.past_value}, std::move(attributes), 3);
  nodes_.back().outputs_optional = true;
  return {outputs[0], outputs[1], outputs[2]};
}

Builder::Value Builder::embedding(Value table, Value indices) {
  return one("Gather", {table, indices}, {{"axis", int64_t{0}}});
}

Builder::Value Builder::layer_norm(Value x, Value scale, Value bias, int64_t axis, float epsilon) {
  return one("LayerNormalization", {x, scale, bias}, {{"axis", axis}, {"epsilon", epsilon}});
}

Builder::Value Builder::rms_norm(Value x, Value scale, int64_t axis, float epsilon) {
  return one("RMSNormalization", {x, scale}, {{"axis", axis}, {"epsilon", epsilon}});
}

Builder::Value Builder::gelu(Value x, bool by_tanh) {
  return one("Gelu", {x}, {{"approximate", std::string(by_tanh ? "tanh" : "none")}});
}

Builder::Value Builder::swish(Value x) { return one("Swish", {x}); }

}  // namespace tally
