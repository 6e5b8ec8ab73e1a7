#pragma once
// What a document of an earlier run says, in the terms that report, compare and check work with.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tally::tools {

class DocumentValue;

enum class RecordingKind { profile, bench, estimate, ledger, machine };
/// "profile" …: the document's schema is "tally.<name>/1".
std::string_view name_of(RecordingKind kind);

/// Order statistics in ns; what the document does not tell is empty.
struct RecordedTimes {
  std::optional<double> median, p10, p90, p99, min, mean, stddev;
  std::optional<double> low, high;  ///< 95 % confidence interval of the median
  std::optional<int64_t> samples;
};

using NamedCount = std::pair<std::string, int64_t>;

/// Integers by key. Profiles: macs, bytes_read, bytes_weights, bytes_written (all ideal), executed_macs, lane_macs,
/// lane_fma_other, bytes_loaded, bytes_stored. Estimates: the keys of their rows.
using Counts = std::map<std::string, int64_t, std::less<>>;
std::optional<int64_t> count_of(const Counts& counts, std::string_view key);
/// Their sum; nothing where one is missing.
std::optional<int64_t> sum_of(const Counts& counts, std::initializer_list<std::string_view> keys);

struct RecordedLayer {
  std::string name, op, dtype, isa, kernel, output_shapes, coverage, reason;
  std::vector<std::string> nodes;  ///< ONNX nodes that the row stands for; at least one
  Counts counts;
  std::vector<NamedCount> gap_macs, gap_loaded, gap_stored;
  RecordedTimes ns;
  std::optional<double> cycles, instructions, cache_misses, energy_nj;
  std::string bound;  ///< of its roof: compute, L1, L2, L3, dram; empty: none known
  std::optional<double> roof_ns, roof_share;
  std::vector<std::pair<std::string, double>> intensities;  ///< FLOP a byte by what bytes: "compulsory", "beyond L2" …

  /// FLOP a byte: of a profile 2·executed MACs ÷ bytes loaded and stored, of an estimate operations ÷ bytes.
  std::optional<double> intensity() const;
};

/// A limit of a machine: of multiply-accumulates (with number format and instruction set) or of bytes (of a level of
/// memory) a second; 0: not known.
struct RecordedLimit {
  std::string level;       ///< "L1" … "dram"; empty: of compute
  std::string dtype, isa;  ///< of compute: "fp32", "avx2"
  double one_core_per_s = 0, all_cores_per_s = 0;
  std::string source;  ///< "measured", "model"
};

/// How often a latency fell into [from_ns + i·width_ns, from_ns + (i+1)·width_ns), and beyond the last of these.
struct RecordedHistogram {
  double from_ns = 0, width_ns = 0;
  std::vector<int64_t> counts;
  int64_t above = 0;
  std::optional<double> max_ns;
};

struct RecordedStep {
  int64_t step = 0, state_bytes = 0;
  Counts counts;  ///< of what was executed
  RecordedTimes ns;
};

struct Recording {
  RecordingKind kind = RecordingKind::profile;
  std::string file;  ///< where it was read from
  std::string model, model_path, sha256, cpu, system, isa, version, clock_source;
  std::string device;  ///< where `tally device` ran it; empty: it was not that
  std::optional<int64_t> threads, model_bytes;
  std::vector<RecordedLayer> layers;
  RecordedLayer totals;
  Counts figures;                                ///< bench: load_ns, arena_bytes …; ledger: kept_bytes …
  std::optional<double> throughput_per_s;        ///< bench
  std::optional<double> tally_overhead, spread;  ///< profile
  std::optional<RecordedHistogram> histogram;    ///< bench
  std::vector<RecordedStep> steps;               ///< ledger
  std::optional<RecordedLayer> at_once;          ///< ledger: the sequence in one run
  std::vector<RecordedLimit> limits;             ///< of the machine, where the document tells
  std::string limits_source;                     ///< whose they are: "Raspberry Pi 4 Model B (model)"
  std::vector<std::string> warnings;             ///< why the machine was not fit to measure
  std::map<std::string, std::string> missing;    ///< key → why it could not be had
};

/// Reads a document and checks all that is used of it. Throws Error(model) where the file is no JSON, no document of
/// these kinds, or has a value of the wrong type, naming it.
Recording read_recording(const std::filesystem::path& file);

/// The same from a value; `file` is for names.
Recording recording_of(const DocumentValue& document, const std::string& file);

}  // namespace tally::tools
