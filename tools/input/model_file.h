#pragma once
#include <filesystem>
#include <string>

#include "tally/layers/model.h"

namespace tally::tools {

/// The ONNX file that an argument means: itself, or model.onnx (else the only .onnx file) of a folder. Throws
/// Error(model) where there is none.
std::filesystem::path find_model(const std::string& argument);

/// What a model is called: its file's stem, or its folder's name where that is "model".
std::string name_of_model(const std::filesystem::path& file);

/// A model and the file it came from.
struct LoadedModel {
  std::filesystem::path file;
  Model model;
  std::string name;  ///< see name_of_model()
};

LoadedModel load_model(const std::string& argument, const LoadOptions& options);

/// "1×1×32×32", "N×3×224×224"; "?" for an extent, or a rank, that is not known.
std::string declared_shape(const ValueInfo& value);

}  // namespace tally::tools
