#define FMT_HEADER_ONLY
#include "tools/output/formatted.h"

#include <fmt/format.h>

namespace tally::tools {

std::string formatted_from(fmt::string_view format, fmt::format_args values) { return fmt::vformat(format, values); }

}  // namespace tally::tools
