#pragma once
// Options that commands share.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/model.h"

namespace CLI {
class App;
}

namespace CLI {
class App;
}

namespace tally::tools {

enum class Format { table, json, csv, md };

/// Those of this build, the default first.
#if defined(TALLY_ONLY_JSON)
inline constexpr Format kReportFormats[] = {Format::json};
#else
inline constexpr Format kReportFormats[] = {Format::table, Format::json, Format::csv, Format::md};
#endif

struct OutputOptions {
  Format format = kReportFormats[0];
  std::string file;  ///< empty: stdout
  bool quiet = false;
};

/// --format, --output, --quiet.
void add_output_options(CLI::App& command, OutputOptions& options);

struct LoadingOptions {
  std::vector<std::string> dims;  ///< NAME=N
  int threads = 1;
  std::string isa, dtype = "fp32", max_memory = "2G", max_macs = "100G";
  bool stream = false;

  /// As the engine takes them. Throws Error(usage) on what cannot be understood, Error(machine) on an instruction set
  /// or number format that exists but not here.
  LoadOptions parsed() const;
};

/// --dim, --threads, --isa, --dtype, --max-memory, --max-macs.
void add_loading_options(CLI::App& command, LoadingOptions& options);

/// --stream.
void add_stream_option(CLI::App& command, LoadingOptions& options);

/// How many runs follow each other, and what one hands to the next.
struct SteppingOptions {
  int64_t steps = 0;               ///< 0: as many as the inputs hold
  std::vector<std::string> feeds;  ///< OUT=IN
};

/// --steps and --feed.
void add_stepping_options(CLI::App& command, SteppingOptions& options);

struct InputOptions {
  std::vector<std::string> files;  ///< NAME=FILE or FILE
  std::optional<uint64_t> seed;
  std::vector<std::string> fed = {};  ///< OUT=IN of --feed: an IN without a file starts as zero
};

/// For CLI::Option::check: why the text is no seed; empty: it is one. CLI11 itself would wrap negative numbers.
std::string refuse_seed(const std::string& text);

/// -i/--input and --seed.
void add_input_options(CLI::App& command, InputOptions& options);

/// --machine: whose roofs a document is to have.
void add_machine_option(CLI::App& command, std::string& machine);

/// The model argument.
void add_model_argument(CLI::App& command, std::string& model);

/// "512M", "2G", "1.5GiB", "100000": K M G T are powers of `base` (1024 for bytes, 1000 for counts). Throws
/// Error(usage) naming the option.
int64_t parse_quantity(const std::string& option, const std::string& text, int64_t base);

}  // namespace tally::tools
