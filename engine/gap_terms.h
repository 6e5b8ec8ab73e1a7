#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace tally {

using GapTerms = std::map<std::string, int64_t>;  ///< only terms that are not zero

/// executed − ideal by cause; each sums exactly.
struct Gap {
  GapTerms macs, bytes_loaded, bytes_stored;
};

/// gap += times · more, term by term.
void add_to(Gap& gap, const Gap& more, int64_t times = 1);

}  // namespace tally
