#pragma once
// What the runner adds to a document that came from a device.
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/device/device_program.h"
#include "tools/device/inspection.h"

namespace tally::tools {

/// Where and how a document came about.
struct DeviceRecord {
  std::string name, transport, address;
  DeviceProgram program;
  std::vector<std::string> through;  ///< what the program was started through: {"taskset", "-c", "4"}; none: itself
  std::vector<std::string> options;  ///< after the model
  Inspection before, after;
};

/// True where a program with such a name plays another machine: what it takes says nothing of that machine.
bool emulates(const std::vector<std::string>& through);

/// Checks a text that came from a device as `compare` and `report` would, and gives it the block "device" and the
/// model's path here. Emulated runs lose every time, with the reason. Throws Error(machine) where it is no profile,
/// bench or ledger.
nlohmann::ordered_json device_document(const std::string& text, const DeviceRecord& record,
                                       const std::string& model_path);

}  // namespace tally::tools
