#pragma once
// One device: checked, given program and models, run, and left as it was.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/error.h"
#include "tools/device/connection.h"
#include "tools/device/device_program.h"
#include "tools/device/inspection.h"
#include "tools/device/payload.h"

namespace tally::tools {

/// What is to be done on each device.
struct DeviceTask {
  std::string command = "profile";  ///< or "bench"
  std::vector<DeviceModel> models;
  std::vector<CopiedFile> more;      ///< files that the options name
  std::vector<std::string> options;  ///< after each model
  std::vector<std::string> through;  ///< what starts the program there; none: the shell
  std::string binary;                ///< empty: see program_for()
  std::string folder;                ///< where the temporary folder goes; empty: the connection's default
  std::filesystem::path store = "device-runs";
  double seconds = 3600;  ///< that one model may take
  bool quiet = false;
};

/// A document that is here now.
struct StoredRun {
  std::string model;
  std::filesystem::path file;
  std::optional<double> median_ns;  ///< of an inference
  std::optional<int64_t> macs;      ///< that were executed; bench: unknown
};

struct DeviceOutcome {
  std::string name, transport, address;  ///< name: of the folder that its documents are in
  Inspection found;
  std::optional<DeviceProgram> program;
  std::string version;  ///< what the program says of itself there, its first line
  std::vector<StoredRun> runs;
  std::vector<Error> failures;  ///< at most one but for models that did not run
};

/// Never throws Error: what went wrong is in `failures`. A model that fails does not keep the next from running; a
/// connection that is lost does.
DeviceOutcome run_on_device(const Connection& connection, const DeviceTask& task);

}  // namespace tally::tools
