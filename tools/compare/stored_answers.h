#pragma once
// Inputs and answers stored next to a model, as ONNX lays them out: test_data_set_K/input_I.pb and output_I.pb, I
// counting the graph's inputs without initialisers and its outputs.
#include <filesystem>
#include <string>
#include <vector>

#include "tally/engine/context.h"
#include "tools/compare/agreement.h"

namespace tally::tools {

struct Tolerance {
  double rtol = 1e-3, atol = 1e-7;
};

struct OutputAgreement {
  std::string name;
  Shape shape;
  Agreement agreement;
};

struct DataSetResult {
  std::filesystem::path folder;
  std::vector<OutputAgreement> outputs;
  bool agrees() const;
};

/// The data sets that a folder means: itself, or its test_data_set_K by number. Throws Error(model) where there are
/// none.
std::vector<std::filesystem::path> data_sets_of(const std::filesystem::path& folder);

/// The data sets next to a model file: in its folder, or in <stem>_data beside it.
std::vector<std::filesystem::path> data_sets_near(const std::filesystem::path& model_file);

/// Feeds a data set, runs once, compares every stored output. Throws Error on inputs that the model does not take, and
/// on files that are no tensors.
DataSetResult check_data_set(Context& context, const std::filesystem::path& folder, const Tolerance& tolerance);

/// "output 'y' [0, 3]: 1.25, expected 1.3 (12 of 10,000 differ)"; for a mismatch of type or shape, that.
std::string describe_difference(const OutputAgreement& output);

}  // namespace tally::tools
