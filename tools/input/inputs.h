#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "tally/engine/context.h"
#include "tools/input/options.h"

namespace tally::tools {

/// The element type and values of a file in .npy or ONNX TensorProto form, told apart by their first bytes. Throws
/// Error(model) or Error(limit) naming the file.
Tensor read_tensor(const std::filesystem::path& file, size_t max_bytes);

/// The graph's inputs by name, from files and, where a seed is given, made up: floats uniform in [0,1) in row-major
/// order from one generator over the inputs in the graph's order, everything else 0. Throws Error(model) where an input
/// is missing, Error(usage) where a file fits no input or an extent is open.
std::map<std::string, Tensor> read_inputs(const CompiledModel& model, const InputOptions& options);

/// Throws Error(usage) naming the first symbolic dimension of an input that --dim leaves open.
void require_dims(const CompiledModel& model);

/// A context whose inputs are set; its instruction set is checked.
Context make_context(const CompiledModel& model, const InputOptions& options);

/// A context of a model loaded with `stream`, at its first step, with the inputs of that step set.
Context make_first_step(const CompiledModel& model, const InputOptions& options);

/// Throws Error(machine) where an instruction set was forced and another would run.
void check_isa(const Context& context);

}  // namespace tally::tools
