#pragma once
// What a model takes to store, by number format, and what training it would take to hold.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// A number format and the bytes of one of its elements.
struct StorageFormat {
  const char* name;
  int64_t bytes;
};
inline constexpr StorageFormat kStorageFormats[] = {{"fp32", 4}, {"fp16", 2}, {"int8", 1}};

/// Params, buffers and constants, each tensor once.
struct StoredValues {
  int64_t elements = 0;
  int64_t bytes = 0;  ///< as stored
};
StoredValues stored_values(const Estimate& estimate);

/// What gradient descent holds beside the model, in elements (one a weight or activation).
struct TrainingSpace {
  int64_t params = 0, activations = 0, inputs = 0;  ///< values; their gradients are as many again
  int64_t elements() const { return 2 * (params + activations + inputs); }
};
/// An optimiser and what it keeps of each parameter between steps.
struct Optimizer {
  const char* name;
  int64_t states;
  const char* meaning;
};
inline constexpr Optimizer kOptimizers[] = {
    {"SGD", 0, "nothing"}, {"momentum", 1, "a velocity"}, {"Adam", 2, "two moments (Kingma and Ba 2015)"}};

TrainingSpace training_space(const Estimate& estimate);

nlohmann::ordered_json storage_json(const Estimate& estimate);
ReportPart training_part(const Estimate& estimate);
nlohmann::ordered_json training_json(const Estimate& estimate);

}  // namespace tally::tools
