// What the program promises to scripts: exit codes, where words go, formats.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "tally/engine/onnx/tensor_proto.h"
#include "tests/tools/program.h"
#include "tools/npy.h"
#include "tools/numbers.h"

using namespace tally;
using namespace tally::test;

namespace {

size_t lines_in(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

/// One line on stderr that says what is wrong, nothing on stdout.
void check_refusal(const Ran& ran, int code, const std::string& words) {
  CAPTURE(ran.err);
  CHECK(ran.code == code);
  CHECK(ran.out.empty());
  CHECK(lines_in(ran.err) == 1);
  CHECK(ran.err.rfind("tally: error: ", 0) == 0);
  CHECK(ran.err.find(words) != std::string::npos);
}

void check_width(const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    CAPTURE(line);
    CHECK(tools::display_width(line) <= 100);
  }
}

/// Nothing but, at most, a line that says why this machine was not fit to measure.
void check_warning_only(const std::string& err) {
  CAPTURE(err);
  if (err.empty()) return;
  CHECK(err.rfind("tally: warning: not fit to measure: ", 0) == 0);
  CHECK(err.find('\n') == err.size() - 1);
}

}  // namespace

TEST_CASE("usage errors exit with 2 and one line") {
  check_refusal(run_tally(""), 2, "subcommand");
  check_refusal(run_tally("frobnicate"), 2, "'frobnicate' must be one of run, verify");
  check_refusal(run_tally("estimate"), 2, "MODEL");
  check_refusal(run_tally("estimate " + kLenet + " --no-such-option"), 2, "--no-such-option");
  check_refusal(run_tally("estimate " + kLenet + " --format xml"), 2, "xml");
  check_refusal(run_tally("run " + kLenet + " --seed x"), 2, "");
  check_refusal(run_tally("run " + kLenet + " --seed -1"), 2, "-1");
  check_refusal(run_tally("generate " + kLenet + " --tokens 1 --steps 1 --seed -1"), 2, "-1");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --isa mmx"), 2, "mmx");
  check_refusal(run_tally("run " + kLenet + " --seed 1", "TALLY_ISA=mmx"), 2, "mmx");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --dim N=x"), 2, "N=x");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --dim nobody=3"), 2, "nobody");
  check_refusal(run_tally("run " + kLenet + " --seed 1 -i nobody=x.npy"), 2, "nobody");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --max-memory lots"), 2, "lots");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --output /no/such/folder/x"), 2, "/no/such/folder");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --output /dev/full"), 2, "/dev/full");
  check_refusal(run_tally("explain " + kLenet + " nothing"), 2, "near: ");
  check_refusal(run_tally("bench " + kLenet + " --seed 1 --counters sometimes"), 2, "'sometimes'");
  check_refusal(run_tally("explain " + kLenet + " onv"), 2, "is part of 2 names; must be");
}

TEST_CASE("open dimensions are named, with how to bind them") {
  const SmallModel small;
  check_refusal(run_tally("explain " + small.file + " fc"), 2, "dimension 'N' is open; must be bound: --dim N=N");
  check_refusal(run_tally("run " + small.file + " --seed 1 --dim batch=2"), 2, "of an input: N");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --dim batch=2"), 2, "which this model has none of");
  CHECK(run_tally("explain " + small.file + " fc --dim N=3").code == 0);
}

TEST_CASE("explain takes a part of a name that no other has") {
  const auto explained = [](const std::string& layer) {
    return document_of("explain " + kLenet + " " + layer)["layer"]["name"];
  };
  CHECK(explained("/conv1/Conv") == "/conv1/Conv");
  CHECK(explained("/conv1") == "/conv1/Conv");
  CHECK(explained("conv1") == "/conv1/Conv");
  CHECK(explained("fc2") == "/fc2/Gemm");
  CHECK(explained("ol2/Max") == "/pool2/MaxPool");
  CHECK(explained("0") == "/conv1/Conv");
}

TEST_CASE("bad models and inputs exit with 3") {
  const TemporaryFolder folder;
  const std::string bytes = contents(kLenet);
  check_refusal(run_tally("run " + folder.write("cut.onnx", bytes.substr(0, bytes.size() / 2)).string() + " --seed 1"),
                3, "");
  check_refusal(run_tally("run " + folder.write("empty.onnx", "").string() + " --seed 1"), 3, "");
  check_refusal(run_tally("estimate /no/such/model.onnx"), 3, "/no/such/model.onnx");
  check_refusal(run_tally("run " + kLenet), 3, "input 'input': missing");
  check_refusal(run_tally("run " + kLenet + " -i " + folder.write("x.npy", "no array").string()), 3, "x.npy");
  check_refusal(run_tally("run " + kLenet + " -i /no/such.npy"), 3, "/no/such.npy");
  tools::write_npy(folder.path / "shape.npy", Tensor(DType::f32, {1, 3, 32, 32}));
  check_refusal(run_tally("run " + kLenet + " -i " + (folder.path / "shape.npy").string()), 3, "must");
  tools::write_npy(folder.path / "type.npy", Tensor(DType::f64, {1, 1, 32, 32}));
  check_refusal(run_tally("run " + kLenet + " -i " + (folder.path / "type.npy").string()), 3, "float32");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --max-memory 10k"), 3, "--max-memory");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --max-macs 1000"), 3, "--max-macs");
  check_refusal(run_tally("eval " + kLenet + " --data " + folder.path.string()), 3, "images");
  check_refusal(run_tally("verify " + kLenet + " " + folder.path.string()), 3, "stored answers");
}

TEST_CASE("what the machine or the build lacks exits with 4") {
  check_refusal(run_tally("run " + kLenet + " --seed 1 --isa sve"), 4, "sve");
  check_refusal(run_tally("run " + kLenet + " --seed 1 --dtype int8"), 4, "int8");
  check_refusal(run_tally("run " + kLenet + " --seed 1", "TALLY_ISA=sve"), 4, "sve");
  CHECK(run_tally("info >/dev/full; exit $?; true").code == 4);  // a full disk
  const bool counters = document_of("info")["counters"]["usable"].get<bool>();
  for (const char* command : {"profile ", "bench "}) {
    const Ran demanded = run_tally(command + kLenet + " --seed 1 --repeats 5 --counters require");
    if (counters)
      CHECK(demanded.code == 0);
    else
      check_refusal(demanded, 4, "--counters require: no counter of");
  }
}

TEST_CASE("--quiet silences stderr and never data") {
  const Ran loud = run_tally("estimate " + kLenet), quiet = run_tally("estimate " + kLenet + " --quiet");
  CHECK(quiet.code == 0);
  CHECK(quiet.err.empty());
  CHECK(quiet.out == loud.out);
  const Ran refused = run_tally("run " + kLenet + " --quiet");
  CHECK(refused.code == 3);
  CHECK(refused.err.empty());
}

TEST_CASE("no escape sequences and no progress but on a terminal") {
  const Ran ran = run_tally("eval " + kLenet + " --data /no/such", "TERM=xterm-256color");
  CHECK(ran.err.find('\033') == std::string::npos);
  for (const char* environment : {"TERM=xterm-256color", "TERM=xterm-256color NO_COLOR=1"}) {
    const Ran table = run_tally("profile " + kLenet + " --seed 1 --repeats 5", environment);
    CHECK(table.code == 0);
    check_warning_only(table.err);
    CHECK(table.out.find('\033') == std::string::npos);
  }
}

TEST_CASE("every command helps with examples") {
  for (const char* command :
       {"run", "verify", "eval", "estimate", "profile", "bench", "explain", "ops", "device run", "info"}) {
    const Ran ran = run_tally(std::string(command) + " --help");
    CHECK(ran.code == 0);
    CHECK(ran.err.empty());
    CHECK(ran.out.find("Examples:") != std::string::npos);
  }
  CHECK(run_tally("--help").out.find("Exit codes") != std::string::npos);
  const Ran version = run_tally("--version");
  CHECK(version.code == 0);
  CHECK(version.out.find("tally ") == 0);
  CHECK(version.out.find("flags") != std::string::npos);
}

TEST_CASE("tables fit 100 columns") {
  for (const char* command :
       {"estimate", "profile --seed 1 --repeats 5", "bench --seed 1 --repeats 5", "run --seed 1", "verify"}) {
    const std::string text = command;
    const size_t blank = std::min(text.find(' '), text.size());
    const Ran ran = run_tally(text.substr(0, blank) + " " + kLenet + text.substr(blank));
    CAPTURE(command);
    CHECK(ran.code == 0);
    check_width(ran.out);
  }
  check_width(run_tally("explain " + kLenet + " 0").out);
  check_width(run_tally("info --selftest").out);
}

TEST_CASE("an unknown operator is refused, or has a row without figures") {
  const TemporaryFolder folder;
  const std::string file = (folder.path / "unknown.onnx").string();
  Builder b;
  const auto x = b.named(b.input({1, 4}), "x");
  const auto known = b.named(b.relu(x), "known"), foo = b.named(b.node("Foo", {known})[0], "foo");
  b.output(b.named(b.relu(foo), "after"));
  write_onnx(b.graph(), file);
  check_refusal(run_tally("estimate " + file), 3, "Foo 'foo'");
  check_refusal(run_tally("run " + file + " --seed 1"), 3, "Foo 'foo'");
  const nlohmann::json document = document_of("estimate " + file + " --allow-unknown");
  REQUIRE(document["layers"].size() == 3);
  CHECK(document["layers"][0]["elementwise"] == 4);
  for (const size_t row : {1, 2}) {
    CHECK(document["layers"][row]["coverage"] == "unknown");
    CHECK(document["layers"][row]["macs"].is_null());
    for (const auto& [key, value] : document["layers"][row].items())
      if (value.is_null()) CHECK(document["layers"][row]["missing"][key].is_string());
  }
  CHECK(document["totals"]["macs"].is_null());
  for (const auto& [key, value] : document["totals"].items())
    if (value.is_null()) CHECK(document["totals"]["missing"][key].is_string());
  CHECK(run_tally("estimate " + file + " --allow-unknown").out.find("n/a") != std::string::npos);
}

TEST_CASE("CSV has every table, in exact numbers with their units") {
  const auto csv = [](const std::string& arguments) {
    const Ran ran = run_tally(arguments + " --format csv");
    CAPTURE(arguments);
    CHECK(ran.code == 0);
    return ran.out;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  };
  const std::string profile = csv("profile " + kLenet + " --seed 1 --repeats 5 --isa scalar");
  has(profile, "\n\n# Gap by layer\nlayer,quantity,term,value\n/conv1/Conv,bytes_loaded,");
  has(profile, "\n\n# Totals\nquantity,value\nideal_macs,416520\n");
  CHECK(profile.find("−") == std::string::npos);
  has(csv("estimate " + kLenet), "\n\n# Totals\nquantity,value,meaning\nparams,61706,");
  const std::string bench = csv("bench " + kLenet + " --seed 1 --repeats 5");
  CHECK(bench.rfind("figure,min_ns,p10_ns,median_ns,", 0) == 0);
  has(bench, "\nquantity,value,unit,meaning\nthroughput,");
  has(bench, "\nweights,");
  const std::string info = csv("info");
  CHECK(info.rfind("what,found\nCPU,", 0) == 0);
  has(info, "\n\n# Instruction sets of this build\nisa,usable,chosen,");
  CHECK(info.find("\n,") == std::string::npos);  // no row without a name
  const std::string explain = csv("explain " + kLenet + " conv1 --isa scalar");
  has(explain, "macs,N·M·oH·oW·(C/g)·kH·kW,1·6·28·28·1·5·5,117600");
  has(explain, "\n\n# Planned on scalar\nquantity,term,value\nlane_macs,ideal,117600\n");
}

TEST_CASE("info takes the common options") {
  const nlohmann::json info = document_of("info --selftest --isa scalar --threads 2");
  CHECK(info["machine"]["chosen_isa"] == "scalar");
  REQUIRE(info["selftest"].size() == 1);
  CHECK(info["selftest"][0]["isa"] == "scalar");
  CHECK(run_tally("info --isa sve").code == 4);
}

TEST_CASE("formats and files") {
  const TemporaryFolder folder;
  const std::string file = (folder.path / "out.csv").string();
  const Ran ran = run_tally("estimate " + kLenet + " --format csv --output " + file);
  CHECK(ran.code == 0);
  CHECK(ran.out.empty());
  const std::string csv = contents(file);
  CHECK(csv.rfind("name,op,", 0) == 0);
  CHECK(csv.find(",117600,") != std::string::npos);
  CHECK(run_tally("estimate " + kLenet + " --format md").out.rfind("## ", 0) == 0);
}

TEST_CASE("verify tells agreement from difference by its exit code") {
  CHECK(run_tally("verify " + kLenet).code == 0);
  const Ran strict = run_tally("verify " + kLenet + " --rtol 0 --atol 0");
  CHECK(strict.code == (strict.out.find("DIFFERS") == std::string::npos ? 0 : 1));
  const SmallModel small;
  const std::string set = (small.folder.path / "test_data_set_0").string();
  std::filesystem::create_directories(set);
  write_tensor_proto(set + "/input_0.pb", "x", Tensor::of<float>(DType::f32, {1, 4}, std::vector<float>{1, 2, 3, 4}));
  write_tensor_proto(set + "/output_0.pb", "y", Tensor::of<float>(DType::f32, {1, 3}, std::vector<float>{5, 6, 0.25f}));
  const Ran differs = run_tally("verify " + small.file);
  CHECK(differs.code == 1);
  CHECK(differs.out.find("output 'y' [0, 2]: 0, expected 0.25") != std::string::npos);
  CHECK(run_tally("verify --recursive " + small.folder.path.string()).code == 1);
  write_tensor_proto(set + "/output_0.pb", "y", Tensor::of<float>(DType::f32, {1, 3}, std::vector<float>{5, 6, 0}));
  CHECK(run_tally("verify " + small.folder.path.string()).code == 0);
  CHECK(run_tally("verify --recursive " + small.folder.path.string()).code == 0);
}

TEST_CASE("run reads inputs by name or in order, binds dimensions by them, and writes outputs") {
  const SmallModel small;
  const std::string x = (small.folder.path / "x.npy").string(), out = (small.folder.path / "out").string();
  tools::write_npy(x, Tensor::of<float>(DType::f32, {2, 4}, std::vector<float>{1, 2, 3, 4, 0, 0, 20, 0}));
  for (const std::string& item : {"-i " + x, "-i x=" + x, x}) {
    CHECK(run_tally("run " + small.file + " " + item + " -o " + out).code == 0);
    const Tensor y = tools::read_npy(out + "/output_0.npy");
    CHECK(y.shape() == Shape{2, 3});
    CHECK(y.to_double() == std::vector<double>{5, 6, 0, 0, 0, 10});
  }
  CHECK(run_tally("run " + small.file + " --seed 1").code == 2);  // N is open
  CHECK(run_tally("run " + small.file + " --seed 1 --dim N=5").code == 0);
  CHECK(run_tally("run " + small.file + " --seed 1 --dim N=99999999999").code == 3);
}

TEST_CASE("too little memory exits with 3, wherever it ends") {
  const auto limited = [](int64_t kilobytes, const std::string& arguments) {
    return run_tally(arguments, "prlimit --as=" + std::to_string(kilobytes * 1024));
  };
  if (std::string_view(TALLY_EMULATOR) != "") {
    MESSAGE("skipped: the limit would be the emulator's, which waits for ever where it finds no memory");
    return;
  }
  if (limited(1 << 20, "--version").code != 0) {
    MESSAGE("skipped: no prlimit, or a sanitizer that takes more than a gigabyte of addresses");
    return;
  }
  int64_t enough = 4096;
  while (limited(enough, "--version").code != 0) enough += 512;
  int refused = 0, done = 0;
  for (int64_t more = 0; more < 32 * 1024 && done < 2; more += 64) {
    const Ran ran = limited(enough + more, "run " TALLY_SOURCE_DIR "/tools/models/transformer_fashion.onnx --seed 1");
    CAPTURE(more);
    CAPTURE(ran.err);
    CHECK((ran.code == 0 || ran.code == 3));
    if (ran.code == 3) CHECK(ran.err.find("memory") != std::string::npos);
    ++(ran.code == 0 ? done : refused);
  }
  CHECK(done == 2);
  CHECK(refused > 0);
}
