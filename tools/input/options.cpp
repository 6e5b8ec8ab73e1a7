#include "tools/input/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "CLI/CLI.hpp"
#include "tally/engine/error.h"
#include "tally/engine/isa_choice.h"
#include "tools/input/decimal.h"

namespace tally::tools {

namespace {

std::pair<std::string, int64_t> parse_dim(const std::string& item) {
  const size_t equals = item.rfind('=');
  int64_t value = 0;
  if (equals != std::string::npos && equals > 0) {
    const char* begin = item.data() + equals + 1;
    const char* end = item.data() + item.size();
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error == std::errc() && stop == end && begin != end && value >= 0) return {item.substr(0, equals), value};
  }
  fail("--dim", "'" + item + "'", "must be NAME=N with N >= 0", ErrorCode::usage);
}

}  // namespace

int64_t parse_quantity(const std::string& option, const std::string& text, int64_t base) {
  const auto refuse = [&]() -> int64_t {
    fail(option, "'" + text + "'", "must be a number >= 0, with K, M, G or T for its size if wanted", ErrorCode::usage);
  };
  const std::optional<Decimal> decimal = decimal_at_start(text);
  if (!decimal || decimal->value < 0) return refuse();
  double number = decimal->value;
  std::string_view suffix = decimal->rest;
  if (!suffix.empty() && (suffix.back() == 'B' || suffix.back() == 'b')) suffix.remove_suffix(1);
  if (!suffix.empty() && suffix.back() == 'i') suffix.remove_suffix(1);
  constexpr std::string_view kSuffixes = "kmgt";
  if (!suffix.empty()) {
    const size_t power = kSuffixes.find(static_cast<char>(std::tolower(static_cast<unsigned char>(suffix[0]))));
    if (suffix.size() != 1 || power == std::string_view::npos) return refuse();
    number *= std::pow(static_cast<double>(base), static_cast<double>(power + 1));
  }
  if (number >= 9.2e18) return refuse();
  return std::llround(number);
}

void add_output_options(CLI::App& command, OutputOptions& options) {
  constexpr std::pair<Format, const char*> kNames[] = {
      {Format::table, "table"}, {Format::json, "json"}, {Format::csv, "csv"}, {Format::md, "md"}};
  std::map<std::string, Format> formats;
  for (const auto& [format, name] : kNames)
    if (std::find(std::begin(kReportFormats), std::end(kReportFormats), format) != std::end(kReportFormats))
      formats.emplace(name, format);
  command.add_option("--format", options.format, formats.size() == 1 ? "json" : "table, json, csv or md (Markdown)")
      ->transform(CLI::Transformer(formats).description(""))
      ->type_name("FORMAT")
      ->default_str(kNames[static_cast<size_t>(kReportFormats[0])].second);
  command.add_option("--output", options.file, "write to FILE instead of standard output")->type_name("FILE");
  command.add_flag("-q,--quiet", options.quiet, "nothing on standard error, neither progress nor messages");
}

LoadOptions LoadingOptions::parsed() const {
  LoadOptions load;
  if (dtype == "fp16" || dtype == "int8")
    fail("--dtype", "'" + dtype + "'",
         "is not in this build, which runs a model in the number formats it is stored in (fp32)", ErrorCode::machine);
  if (dtype != "fp32") fail("--dtype", "'" + dtype + "'", "must be fp32, fp16 or int8", ErrorCode::usage);
  if (threads < 1 || threads > 4096) fail("--threads", std::to_string(threads), "must be 1 to 4096", ErrorCode::usage);
  load.threads = threads;
  if (!isa.empty()) load.isa = named_isa("--isa", isa);
  for (const std::string& item : dims) {
    const auto [name, value] = parse_dim(item);
    const auto [bound, is_new] = load.dims.emplace(name, value);
    if (!is_new && bound->second != value)
      fail("--dim", "'" + name + "' bound twice", "must have one value", ErrorCode::usage);
  }
  load.stream = stream;
  load.max_memory = static_cast<size_t>(
      std::min<uint64_t>(SIZE_MAX, static_cast<uint64_t>(parse_quantity("--max-memory", max_memory, 1024))));
  load.max_macs = parse_quantity("--max-macs", max_macs, 1000);
  return load;
}

void add_loading_options(CLI::App& command, LoadingOptions& options) {
  command.add_option("--dim", options.dims, "bind a symbolic dimension; may be repeated")
      ->type_name("NAME=N")
      ->allow_extra_args(false);
  command.add_option("--threads", options.threads, "threads to run on")->type_name("N")->capture_default_str();
  command.add_option("--isa", options.isa, "instruction set (default: the best usable one, see tally info)")
      ->type_name("NAME");
  command.add_option("--dtype", options.dtype, "number format to run in")->type_name("NAME")->capture_default_str();
  command.add_option("--max-memory", options.max_memory, "bytes of weights and buffers, at most")
      ->type_name("BYTES")
      ->capture_default_str();
  command.add_option("--max-macs", options.max_macs, "MACs, other operations, output elements an inference, at most")
      ->type_name("N")
      ->capture_default_str();
}

void add_stream_option(CLI::App& command, LoadingOptions& options) {
  command.add_flag("--stream", options.stream, "run a model of whole sequences one time step at a time");
}

void add_stepping_options(CLI::App& command, SteppingOptions& options) {
  command.add_option("--steps", options.steps, "time steps to run (default: as many as the inputs hold)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""));
  command
      .add_option("--feed", options.feeds,
                  "after each step the output's value becomes the input's, which starts as zero where no file gives it")
      ->type_name("OUT=IN")
      ->allow_extra_args(false);
}

std::string refuse_seed(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::string() : "'" + text + "' must be an integer >= 0";
}

void add_input_options(CLI::App& command, InputOptions& options) {
  command.add_option("-i,--input", options.files, "an input, .npy or TensorProto .pb; a bare FILE fills the next one")
      ->type_name("[NAME=]FILE")
      ->allow_extra_args(false);
  command.add_option("--seed", options.seed, "fill missing inputs: floats uniform in [0,1), integers 0, bool false")
      ->type_name("N")
      ->check(refuse_seed);
}

void add_machine_option(CLI::App& command, std::string& machine) {
  command
      .add_option("--machine", machine,
                  "machine file, or a name that comes with the program (default: what calibrate found on this CPU)")
      ->type_name("FILE");
}

void add_model_argument(CLI::App& command, std::string& model) {
  command.add_option("MODEL", model, "ONNX file, or a folder with model.onnx")->required()->type_name("");
}

}  // namespace tally::tools
