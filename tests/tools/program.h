#pragma once
// The built program, run as a user runs it (through the emulator where it is cross-compiled).
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "nlohmann/json.hpp"
#include "tally/engine/onnx/writer.h"
#include "tally/layers/builder.h"
#include "tests/engine/temporary_folder.h"

namespace tally::test {

struct Ran {
  int code = -1;  ///< exit code; -1 where a signal ended it
  std::string out, err;
};

inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs `tally <arguments>` in a shell, with these variables set before it. After five minutes (124) it is ended.
inline Ran run_tally(const std::string& arguments, const std::string& environment = "") {
  const TemporaryFolder folder;
  const std::string out = (folder.path / "out").string(), err = (folder.path / "err").string();
  const std::string command = "timeout 300 env -u TALLY_ISA -u NO_COLOR XDG_CONFIG_HOME=/nonexistent " + environment +
                              " " TALLY_EMULATOR " " TALLY_BINARY_DIR "/tally " + arguments + " >" + out + " 2>" + err +
                              " </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
}

/// The document that a command writes.
inline nlohmann::json document_of(const std::string& arguments) {
  const Ran ran = run_tally(arguments + " --format json");
  return nlohmann::json::parse(ran.out, nullptr, false);
}

inline const std::string kLenet = TALLY_SOURCE_DIR "/tools/models/lenet5_fashion.onnx";

/// A folder with a small model, y[N,3] = Relu(x[N,4]·W + b) with N symbolic, and an answer to one input.
struct SmallModel {
  TemporaryFolder folder;
  std::string file;

  SmallModel() : file((folder.path / "model.onnx").string()) {
    Builder b;
    const auto x = b.named(b.input({1, 4}), "x");
    const auto w = b.constant({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1});
    b.output(b.named(b.relu(b.named(b.gemm(x, w, b.constant({3}, {0, 0, -10}), {}), "fc")), "y"));
    Graph graph = b.graph();
    graph.inputs[0].shape = std::vector<Dim>{{-1, "N"}, {4, ""}};
    graph.outputs[0].shape = std::vector<Dim>{{-1, "N"}, {3, ""}};
    write_onnx(graph, file);
  }
};

}  // namespace tally::test
