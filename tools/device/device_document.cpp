#include "tools/device/device_document.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/compare/document_value.h"
#include "tools/compare/recording.h"
#include "tools/input/sha256.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

constexpr const char* kEmulated = "emulated: the time is the emulator's, not the device's";

/// Nulls whatever was timed. The "ns" of a roof is a model's, and stays.
void forget_times(ordered_json& json, const std::string& key) {
  constexpr std::array<std::string_view, 4> kTimed{"measured", "measured_with_clock_reads", "tally_overhead", "share"};
  if (json.is_object()) {
    for (auto& [name, member] : json.items()) {
      const bool timed =
          std::find(kTimed.begin(), kTimed.end(), name) != kTimed.end() || (name == "ns" && key != "roof");
      if (timed)
        member = nullptr;
      else
        forget_times(member, name);
    }
  } else if (json.is_array()) {
    for (ordered_json& item : json) forget_times(item, key);
  }
}

void mark_emulated(ordered_json& document) {
  forget_times(document, "");
  document["missing"]["measured"] = document["missing"]["tally_overhead"] = kEmulated;
  document["repeatability"] = {{"fit", false}, {"reasons", {kEmulated}}};
}

ordered_json record_json(const DeviceRecord& record) {
  ordered_json json{{"name", record.name}, {"transport", record.transport}, {"address", record.address}};
  json.update(device_json(record.before));
  json["program"] = {{"sha256", sha256_of_file(record.program.file)},
                     {"architecture", record.program.elf.machine},
                     {"static", record.program.elf.interpreter.empty()}};
  json["through"] = record.through;
  json["emulated"] = emulates(record.through);
  json["options"] = record.options;
  json["before"] = device_state_json(record.before);
  json["after"] = device_state_json(record.after);
  return json;
}

/// The values in their order, once it is certain that they are what other commands read.
ordered_json checked(const std::string& text, const DeviceRecord& record) {
  const std::string who = "answer of device '" + record.name + "'";
  try {
    const nlohmann::json values = parse_json(text, who);
    const Recording recording = recording_of(DocumentValue(values, who + ": "), who);
    if (recording.kind == RecordingKind::profile || recording.kind == RecordingKind::bench ||
        recording.kind == RecordingKind::ledger)
      return ordered_json::parse(text);
  } catch (const Error& e) {
    fail(e.node, e.found, e.required, ErrorCode::machine);
  }
  fail(who, "is of another kind", "must be a profile, bench or ledger", ErrorCode::machine);
}

}  // namespace

bool emulates(const std::vector<std::string>& through) {
  return std::any_of(through.begin(), through.end(), [](const std::string& word) {
    return std::filesystem::path(word).filename().string().starts_with("qemu");
  });
}

ordered_json device_document(const std::string& text, const DeviceRecord& record, const std::string& model_path) {
  ordered_json document = checked(text, record);
  if (document["model"].is_object()) document["model"]["path"] = model_path;
  if (emulates(record.through)) mark_emulated(document);
  document["device"] = record_json(record);
  return document;
}

}  // namespace tally::tools
