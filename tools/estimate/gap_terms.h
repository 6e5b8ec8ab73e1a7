#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tally/engine/profile.h"
#include "tools/output/table.h"

namespace tally::tools {

/// What a named term of the gap between ideal and executed means, in a few words.
std::string_view meaning_of_term(std::string_view term);

/// "+6,640 = +7,840 tile_padding, −1,200 padding_taps_skipped"; a single term alone; empty where there is none.
std::string terms_text(const GapTerms& terms);
int64_t sum_of(const GapTerms& terms);

/// The gaps of all rows summed by term, with the row that has most of each, in words.
Table gap_table(const std::vector<ProfileRow>& rows);

/// Every term of every row, for CSV: layer, quantity (macs, bytes_loaded, bytes_stored), term, value.
Table layer_gap_table(const std::vector<ProfileRow>& rows);

/// Row by row: "lane MACs +7,840 lane_padding" under the row's name; rows without a gap are left out.
std::vector<std::string> gap_lines(const std::vector<ProfileRow>& rows);

}  // namespace tally::tools
