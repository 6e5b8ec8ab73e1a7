#include "tools/input/inputs.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include "tally/engine/onnx/tensor_proto.h"
#include "tally/platforms/kernel_table.h"
#include "tools/input/npy.h"
#include "tools/input/sequence.h"

namespace tally::tools {

namespace {

const ValueInfo* find_input(const Graph& graph, const std::string& name) {
  const auto it =
      std::find_if(graph.inputs.begin(), graph.inputs.end(), [&](const ValueInfo& v) { return v.name == name; });
  return it == graph.inputs.end() ? nullptr : &*it;
}

/// Which input an item names, and its file. Names and files may hold '=' themselves, so every one is tried.
std::pair<std::string, std::string> split_item(const Graph& graph, const std::string& item) {
  for (size_t at = item.find('='); at != std::string::npos; at = item.find('=', at + 1))
    if (find_input(graph, item.substr(0, at)) != nullptr) return {item.substr(0, at), item.substr(at + 1)};
  std::error_code ignored;
  if (const size_t at = item.find('='); at != std::string::npos && !std::filesystem::exists(item, ignored)) {
    std::string names;
    for (const ValueInfo& input : graph.inputs) names += (names.empty() ? "" : ", ") + input.name;
    fail("input '" + item.substr(0, at) + "'", "no such input", "must be one of: " + names, ErrorCode::usage);
  }
  return {"", item};
}

/// Extents of a declared input, by --dim and by the inputs that are given.
Shape resolved_shape(const ValueInfo& input, const std::map<std::string, int64_t>& dims) {
  const std::string who = "input '" + input.name + "'";
  if (!input.shape) fail(who, "unknown rank", "must be given by -i, which --seed cannot make up", ErrorCode::usage);
  Shape shape;
  for (const Dim& dim : *input.shape) {
    const auto bound = dims.find(dim.name);
    if (dim.value < 0 && (dim.name.empty() || bound == dims.end()))
      fail(who, "dimension " + (dim.name.empty() ? std::string("?") : "'" + dim.name + "'"),
           dim.name.empty() ? "must be fixed by -i" : "must be bound: --dim " + dim.name + "=N", ErrorCode::usage);
    shape.push_back(dim.value >= 0 ? dim.value : bound->second);
  }
  return shape;
}

/// Uniform in [0, 1) with `bits` random bits, so that the type's rounding cannot reach 1.
double uniform(std::mt19937_64& generator, int bits) {
  return static_cast<double>(generator() >> (64 - bits)) / static_cast<double>(uint64_t{1} << bits);
}

void fill(Tensor& tensor, std::mt19937_64& generator) {
  switch (tensor.dtype()) {
    case DType::f32:
      for (float& v : tensor.mutable_values<float>()) v = static_cast<float>(uniform(generator, 24));
      break;
    case DType::f64:
      for (double& v : tensor.mutable_values<double>()) v = uniform(generator, 53);
      break;
    case DType::f16:
      for (Half& v : tensor.mutable_values<Half>()) v = to_half(static_cast<float>(uniform(generator, 11)));
      break;
    case DType::bf16:
      for (BFloat16& v : tensor.mutable_values<BFloat16>()) v = to_bfloat16(static_cast<float>(uniform(generator, 8)));
      break;
    default:
      break;  // zero as allocated
  }
}

/// Symbolic dimensions that --dim and the tensors at hand fix.
std::map<std::string, int64_t> known_dims(const CompiledModel& model, const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, int64_t> dims = model.options().dims;
  for (const auto& [name, tensor] : tensors) {
    const ValueInfo* input = find_input(model.graph(), name);
    if (input == nullptr || !input->shape || input->shape->size() != tensor.shape().size()) continue;
    for (size_t d = 0; d < tensor.shape().size(); ++d)
      if (const std::string& symbol = (*input->shape)[d].name; !symbol.empty())
        dims.try_emplace(symbol, tensor.shape()[d]);
  }
  return dims;
}

}  // namespace

Tensor read_tensor(const std::filesystem::path& file, size_t max_bytes) {
  char magic[6] = {};
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file))
    fail("file '" + file.string() + "'", "cannot be read", "must be a .npy or TensorProto file");
  in.read(magic, sizeof magic);
  if (in.gcount() == sizeof magic && std::memcmp(magic, "\x93NUMPY", sizeof magic) == 0)
    return read_npy(file, max_bytes);
  return read_tensor_proto(file, max_bytes).tensor;
}

std::map<std::string, Tensor> read_inputs(const CompiledModel& model, const InputOptions& options) {
  const Graph& graph = model.graph();
  std::map<std::string, Tensor> tensors;
  std::vector<std::string> bare;
  for (const std::string& item : options.files) {
    const auto [name, file] = split_item(graph, item);
    if (name.empty())
      bare.push_back(file);
    else if (!tensors.emplace(name, read_tensor(file, model.options().max_memory)).second)
      fail("input '" + name + "'", "given twice", "must be given once", ErrorCode::usage);
  }
  size_t next = 0;
  for (const ValueInfo& input : graph.inputs)
    if (next < bare.size() && !tensors.contains(input.name))
      tensors.emplace(input.name, read_tensor(bare[next++], model.options().max_memory));
  if (next < bare.size())
    fail("file '" + bare[next] + "'", "no input left for it", text("must be one of at most ", graph.inputs.size()),
         ErrorCode::usage);

  const std::map<std::string, int64_t> dims = known_dims(model, tensors);
  std::mt19937_64 generator(options.seed.value_or(0));
  const auto starts_as_zero = [&](const std::string& name) {
    return std::any_of(options.fed.begin(), options.fed.end(),
                       [&](const std::string& item) { return item.ends_with("=" + name); });
  };
  for (const ValueInfo& input : graph.inputs) {
    if (tensors.contains(input.name)) continue;
    const bool zero = starts_as_zero(input.name);
    if (!options.seed && !zero)
      fail("input '" + input.name + "'", "missing", "must be given by -i, or filled by --seed N");
    const Shape shape = resolved_shape(input, dims);
    const size_t bytes = Tensor::without_data(input.dtype, shape).bytes();
    if (bytes > model.options().max_memory)
      fail("input '" + input.name + "'", text(bytes, " bytes"),
           text("must be at most ", model.options().max_memory, " (--max-memory)"), ErrorCode::limit);
    Tensor tensor(input.dtype, shape);
    if (!zero) fill(tensor, generator);
    tensors.emplace(input.name, std::move(tensor));
  }
  return tensors;
}

void require_dims(const CompiledModel& model) {
  for (const ValueInfo& input : model.graph().inputs) {
    if (!input.shape) continue;
    for (const Dim& dim : *input.shape)
      if (dim.value < 0 && !dim.name.empty() && !model.options().dims.contains(dim.name))
        fail("input '" + input.name + "'", "dimension '" + dim.name + "' is open",
             "must be bound: --dim " + dim.name + "=N, or by an input given with -i", ErrorCode::usage);
  }
}

Context make_context(const CompiledModel& model, const InputOptions& options) {
  const std::map<std::string, Tensor> inputs = read_inputs(model, options);
  Context context(model);
  context.feed(inputs);
  check_isa(context);
  return context;
}

Context make_first_step(const CompiledModel& model, const InputOptions& options) {
  Context context(model);
  Sequence sequence(context, read_inputs(model, options));
  sequence.begin();
  sequence.enter(0);
  check_isa(context);
  return context;
}

void check_isa(const Context& context) {
  const std::optional<Isa> forced = context.model().options().isa;
  if (const Isa runs = kernel_table(context.plan().isa, false).isa; forced && runs != *forced)
    fail("--isa", "'" + std::string(name_of(*forced)) + "'",
         "would not be what runs, which is " + std::string(name_of(runs)), ErrorCode::machine);
}

}  // namespace tally::tools
