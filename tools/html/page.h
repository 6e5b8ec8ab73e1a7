#pragma once
#include <string>
#include <vector>

#include "tools/compare/recording.h"

namespace tally::tools {

/// One page for all recordings, of one file: no script, style, font or picture comes from elsewhere, and its own
/// Content-Security-Policy forbids that any should. An HTML document that is well-formed XML too. Recordings of kind
/// machine lend their roofs to those measured on a CPU of the same name. The same recordings give the same bytes.
std::string page_of(const std::vector<Recording>& recordings);

/// Parts of the page that are ours to the letter.
std::string_view page_style();
std::string_view page_script();

}  // namespace tally::tools
