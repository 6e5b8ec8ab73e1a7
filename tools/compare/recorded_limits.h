#pragma once
#include <string>
#include <vector>

#include "tools/compare/document_value.h"
#include "tools/compare/recording.h"

namespace tally::tools {

/// The limits that a document tells of its machine: of a machine file the first cluster, of a profile or an estimate
/// the roofs that it used, at its number of threads; none where it tells none. Memory by what reading it delivers.
std::vector<RecordedLimit> limits_of(const DocumentValue& document);

/// Whose limits these are: "Raspberry Pi 4 Model B (model)"; empty where the document has none.
std::string limits_source_of(const DocumentValue& document);

/// A limit as it lies over one run.
struct RecordedRoof {
  std::string name;  ///< "fp32 avx2", "L1"
  bool compute = false;
  double per_s = 0;  ///< MAC/s or B/s, positive
};

/// The limits that hold for a recording: of its number formats and instruction set (of an estimate the fastest fp32),
/// at its number of threads.
std::vector<RecordedRoof> roofs_over(const Recording& recording, const std::vector<RecordedLimit>& limits);

}  // namespace tally::tools
