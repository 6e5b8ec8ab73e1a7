// Models that nobody should trust: every one ends as an Error, quickly, whatever it claims of itself.
#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tests/engine/temporary_folder.h"
#include "tests/fuzz/hostile_models.h"

namespace {

using namespace tally::test;

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// True where the bytes are read, false where they are refused; anything else ends the test.
bool read(const std::string& bytes, bool weights = true) {
  tally::ReadOptions options;
  options.weights = weights;
  options.max_bytes = size_t{64} << 20;
  try {
    // The copy is exact, so that a sanitizer sees the first byte read beyond it.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    tally::read_onnx(std::as_bytes(std::span(exact)), {}, options);
    return true;
  } catch (const tally::Error& error) {
    CHECK((error.code == tally::ErrorCode::model || error.code == tally::ErrorCode::limit));
    CHECK_FALSE(error.found.empty());
    CHECK_FALSE(error.node.empty());
    return false;
  }
}

}  // namespace

TEST_CASE("each hostile model is refused with its node and what was found") {
  const TemporaryFolder folder;
  folder.write("w.bin", std::string(64, '\0'));
  for (const HostileModel& hostile : hostile_models())
    for (const bool weights : {true, false}) {
      // Without weights no external file is looked at.
      if (!weights && (hostile.name == "external_missing" || hostile.name == "external_itself_dot")) continue;
      CAPTURE(hostile.name);
      tally::ReadOptions options;
      options.weights = weights;
      const auto start = std::chrono::steady_clock::now();
      try {
        tally::read_onnx(as_bytes(hostile.bytes), folder.path, options);
        // A tensor whose values nobody wants is only a shape.
        CHECK_FALSE(weights);
        CHECK((hostile.name == "sparse_huge" || hostile.name == "tensor_huge_empty" ||
               hostile.name == "tensor_without_data"));
      } catch (const tally::Error& error) {
        CAPTURE(std::string(error.what()));
        CHECK(error.node.find(hostile.node) != std::string::npos);
        CHECK(error.found.find(hostile.found) != std::string::npos);
        CHECK_FALSE(error.required.empty());
        CHECK((error.code == tally::ErrorCode::model || error.code == tally::ErrorCode::limit));
      }
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
    }
}

TEST_CASE("a chain of 100,000 nodes is read") {
  const std::string bytes = chain(100000, false);
  CHECK(tally::read_onnx(as_bytes(bytes)).nodes.size() == 100000);
}

TEST_CASE("memory is bounded by max_bytes however little the file holds") {
  // Two bytes of file for each empty name, attribute string or extent: far more in memory.
  tally::test::Message names = node("Relu", {}, {"y"});
  for (int i = 0; i < 200000; ++i) names.blob(1, "");
  Message strings = Message().blob(1, "a").varint(20, 8);
  for (int i = 0; i < 200000; ++i) strings.blob(9, "");
  Message extents;
  for (int i = 0; i < 200000; ++i) extents.message(1, Message());
  Message ranked = Message().blob(1, "z").message(2, Message().message(1, Message().varint(1, 1).message(2, extents)));
  tally::ReadOptions options;
  options.max_bytes = size_t{4} << 20;
  for (const Message& graph :
       {relu_graph_with(1, names), relu_graph_with(1, node("Relu", {"x"}, {"z"}).message(5, strings)),
        relu_graph_with(11, ranked)}) {
    try {
      tally::read_onnx(as_bytes(model(graph).bytes), {}, options);
      FAIL("accepted");
    } catch (const tally::Error& error) {
      CHECK(error.code == tally::ErrorCode::limit);
    }
  }
  const TemporaryFolder folder;
  const auto file = folder.write("big.onnx", std::string(5 << 20, '\0'));
  CHECK_THROWS_AS(tally::read_onnx(file, options), tally::Error);
}

TEST_CASE("only regular files are models") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(tally::read_onnx(folder.path), tally::Error);
  CHECK_THROWS_AS(tally::read_onnx(folder.path / "missing.onnx"), tally::Error);
  CHECK_THROWS_AS(tally::read_onnx("/dev/zero"), tally::Error);
}

TEST_CASE("truncated at every length") {
  const std::string sound = sound_model();
  REQUIRE(read(sound));
  int refused = 0;
  for (size_t length = 0; length < sound.size(); ++length) refused += !read(sound.substr(0, length));
  // Some cuts fall between fields and leave a model; most do not.
  CHECK(refused > static_cast<int>(sound.size()) * 9 / 10);
}

TEST_CASE("every bit flipped") {
  const std::string sound = sound_model();
  for (size_t i = 0; i < sound.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = sound;
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
      read(flipped, bit % 2 == 0);
    }
}

TEST_CASE("every byte replaced by an extreme: lengths, types and numbers gone wrong") {
  const std::string sound = sound_model();
  for (size_t i = 0; i < sound.size(); ++i) {
    for (const char extreme : {'\x00', '\x01', '\x7f', '\x80', '\xff'}) {
      std::string edited = sound;
      edited[i] = extreme;
      read(edited);
    }
    for (const char* varint : {"\xff\xff\xff\xff\x0f", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"})
      read(sound.substr(0, i) + varint + sound.substr(i + 1));
  }
}

TEST_CASE("random splices, deletions and repetitions") {
  const std::string sound = sound_model();
  std::mt19937 random(20240607);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (int round = 0; round < 3000; ++round) {
    std::string edited = sound;
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      const size_t from = below(sound.size()), length = below(40), to = below(edited.size());
      switch (below(3)) {
        case 0:
          edited.insert(to, sound.substr(from, length));
          break;
        case 1:
          edited.erase(to, length);
          break;
        default:
          edited.replace(to, length, sound.substr(from, length));
          break;
      }
      if (edited.empty()) edited = "x";
    }
    read(edited, round % 2 == 0);
  }
}

TEST_CASE("test data files: truncated and contradictory") {
  const std::string sound = float_tensor("t", {2, 2}, {1, 2, 3, 4}).bytes;
  CHECK(tally::read_tensor_proto(as_bytes(sound)).tensor.elements() == 4);
  for (size_t length = 0; length < sound.size(); ++length)
    CHECK_THROWS_AS(tally::read_tensor_proto(as_bytes(sound.substr(0, length))), tally::Error);
  CHECK_THROWS_AS(tally::read_tensor_proto(as_bytes(external_tensor("t", {1}, "w.bin").bytes)), tally::Error);
  CHECK_THROWS_AS(tally::read_tensor_proto(as_bytes(sound), 8), tally::Error);
}
