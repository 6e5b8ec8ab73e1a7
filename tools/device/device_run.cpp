#include "tools/device/device_run.h"

#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/compare/recording.h"
#include "tools/device/device_document.h"
#include "tools/device/remote_folder.h"
#include "tools/device/run_store.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

/// Beside what is copied: results, and room for the device to go on living.
constexpr uint64_t kSpareBytes = uint64_t{16} << 20;

/// The folder's name: the host without the user, with a port that is not the usual one.
std::string device_name(const Connection& connection) {
  const std::string address = connection.address();
  const size_t at = address.rfind('@');
  return file_name_of(at == std::string::npos ? address : address.substr(at + 1));
}

ErrorCode code_of(int exit_code) {
  switch (exit_code) {
    case 2:
      return ErrorCode::usage;
    case 3:
      return ErrorCode::model;
    case 5:
      return ErrorCode::internal;
  }
  return ErrorCode::machine;
}

/// "exit code 3 (Conv 'c3': …)", "signal 4 (no reason given)"; shells give 128 + n for a signal n.
std::string ending_text(int code, const std::string& told) {
  std::string reason = last_line(told);
  for (const std::string_view prefix : {"tally: ", "error: "})
    if (reason.starts_with(prefix)) reason.erase(0, prefix.size());
  return (code > 128 ? text("signal ", code - 128) : text("exit code ", code)) + " (" + reason + ")";
}

std::string words_of(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += shell_word(word) + " ";
  return line;
}

/// The work on one device, step by step.
class DeviceRun {
 public:
  DeviceRun(const Connection& connection, const DeviceTask& task, DeviceOutcome& outcome)
      : connection_(connection),
        task_(task),
        outcome_(outcome),
        who_("device '" + connection.address() + "'"),
        progress_(task.quiet) {}

  void run() {
    look();
    const RemoteFolder folder(connection_, task_.folder, task_.quiet);
    copy_all(folder.path());
    place(folder.path());
    for (const DeviceModel& model : task_.models) measure(folder.path(), model);
  }

 private:
  std::string shell_folder() const { return task_.folder.empty() ? connection_.default_folder() : task_.folder; }

  /// Reaches the device, and refuses what cannot work before anything is copied.
  void look() {
    progress_.show(outcome_.name + ": looking");
    const Answer answer = connection_.ask("section found\n" + inspection_script(shell_folder()), {});
    outcome_.found = inspection_of(answer.sections.contains("found") ? answer.sections.at("found") : "");
    outcome_.program = program_for(outcome_.found.machine, task_.binary);
    const DeviceProgram& program = *outcome_.program;
    files_ = {copied_file(program.file, "tally")};
    files_.insert(files_.end(), task_.more.begin(), task_.more.end());
    for (const DeviceModel& model : task_.models) files_.insert(files_.end(), model.files.begin(), model.files.end());
    const uint64_t needed = bytes_of(files_) + kSpareBytes;
    if (outcome_.found.free_disk_kb && static_cast<uint64_t>(*outcome_.found.free_disk_kb) < needed / 1024)
      fail(who_, bytes_text(static_cast<double>(*outcome_.found.free_disk_kb) * 1024) + " free in " + shell_folder(),
           "must be " + bytes_text(static_cast<double>(needed)) + " (another disk: --folder PATH)", ErrorCode::machine);
  }

  static std::string incoming(const std::string& folder, size_t index) {
    return folder + "/incoming." + std::to_string(index);
  }

  void copy_all(const std::string& folder) {
    for (size_t i = 0; i < files_.size(); ++i) {
      const CopiedFile& file = files_[i];
      const std::string what = formatted("{}: copying {}, ", outcome_.name, file.file.filename().string());
      const auto show = [&](uint64_t bytes) {
        progress_.show(what + formatted("{} of {}", bytes_text(static_cast<double>(bytes)),
                                        bytes_text(static_cast<double>(file.bytes))));
      };
      show(0);
      connection_.put(file.file, incoming(folder, i), show);
    }
  }

  /// Gives every file its name, checks that it is whole, and starts the program once.
  void place(const std::string& folder) {
    std::string script = "cd " + folder + " || exit 1\nmkdir -p " + kWorkFolder + "\n";
    for (size_t i = 0; i < files_.size(); ++i) {
      const std::string to = shell_word(files_[i].to), from = incoming(folder, i);
      script += formatted("if [ \"$(wc -c <{0})\" -ne {1} ]; then section short; printf '%s' {2}; exit 1; fi\n", from,
                          files_[i].bytes, to);
      const size_t slash = files_[i].to.rfind('/');
      if (slash != std::string::npos)
        script += "mkdir -p " + shell_word(files_[i].to.substr(0, slash)) + " || exit 1\n";
      script += "mv " + from + " " + to + " || exit 1\n";
    }
    script += "chmod 700 tally\ncd " + std::string(kWorkFolder) + "\nsection version\n" + words_of(task_.through) +
              "../tally --version 2>&1 </dev/null";
    const Answer answer = connection_.ask(script, {});
    const std::string version = answer.word("version");
    if (answer.code != 0 && version.empty())
      fail(who_,
           "does not hold all that was copied" + (answer.word("short").empty() ? "" : ": " + answer.word("short")),
           "must have room for it", ErrorCode::machine);
    if (answer.code != 0)
      fail(who_, "cannot start the program: " + ending_text(answer.code, version), start_requirement(),
           ErrorCode::machine);
    outcome_.version = version.substr(0, version.find('\n'));
  }

  std::string start_requirement() const {
    const std::string& loader = outcome_.program->elf.interpreter;
    return loader.empty() ? "must be able to run it (another disk, if this one allows no programs: --folder PATH)"
                          : "must have " + loader + " and its libraries, or be given a static program (--binary)";
  }

  std::string run_script(const std::string& folder, const DeviceModel& model) const {
    const std::string look = inspection_script(shell_folder());
    std::string script = "cd " + folder + "/" + kWorkFolder + " || exit 1\nsection before\n" + look;
    script += words_of(task_.through) + "../tally " + task_.command + " " + shell_word("../" + model.to) +
              " --format json --output ../result.json " + words_of(task_.options) +
              ">/dev/null 2>../told </dev/null &\n";
    script += std::string("echo $! >../") + kProcessFile + "\nwait $!\ncode=$?\nrm -f ../" + kProcessFile + "\n";
    script += "section after\n" + look + "section told\ntail -c 4000 ../told\nsection result\n";
    return script + "[ $code -eq 0 ] && cat ../result.json\nrm -f ../result.json ../told\nexit $code";
  }

  void measure(const std::string& folder, const DeviceModel& model) {
    const int64_t start = now_ns();
    const auto show = [&] {
      if (progress_.due())
        progress_.show(formatted("{}: {} {}, {:.0f} s", outcome_.name, task_.command, model.name,
                                 static_cast<double>(now_ns() - start) * 1e-9));
    };
    const Answer answer = connection_.ask(run_script(folder, model), {.seconds = task_.seconds, .waiting = show});
    if (answer.code != 0) {
      outcome_.failures.emplace_back(
          code_of(answer.code), who_ + ", model '" + model.argument + "'",
          "tally " + task_.command + " there: " + ending_text(answer.code, answer.word("told")), "must end with 0");
      return;
    }
    const auto section = [&](const char* name) {
      const auto found = answer.sections.find(name);
      return found == answer.sections.end() ? std::string() : found->second;
    };
    const DeviceRecord record{outcome_.name,
                              connection_.transport(),
                              connection_.address(),
                              *outcome_.program,
                              task_.through,
                              task_.options,
                              inspection_of(section("before")),
                              inspection_of(section("after"))};
    progress_.wipe();
    store(model, device_document(section("result"), record, model.argument));
  }

  void store(const DeviceModel& model, const nlohmann::ordered_json& document) {
    const std::string name = model.name + (task_.command == "profile" ? "" : "-" + task_.command);
    StoredRun run{model.name, store_run(task_.store, outcome_.name, name, utc_now(), document), {}, {}};
    const Recording recording = read_recording(run.file);
    run.median_ns = recording.totals.ns.median;
    run.macs = count_of(recording.totals.counts, "executed_macs");
    outcome_.runs.push_back(std::move(run));
  }

  const Connection& connection_;
  const DeviceTask& task_;
  DeviceOutcome& outcome_;
  std::string who_;
  std::vector<CopiedFile> files_;
  Progress progress_;
};

}  // namespace

DeviceOutcome run_on_device(const Connection& connection, const DeviceTask& task) {
  DeviceOutcome outcome;
  outcome.name = device_name(connection);
  outcome.transport = connection.transport();
  outcome.address = connection.address();
  try {
    DeviceRun(connection, task, outcome).run();
  } catch (const Error& e) {
    outcome.failures.push_back(e);
  }
  return outcome;
}

}  // namespace tally::tools
