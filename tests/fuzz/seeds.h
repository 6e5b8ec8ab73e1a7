#pragma once
#include <string>
#include <vector>

namespace tally::test {

struct Seed {
  std::string name, bytes;
};

/// Models from which mutations start: the sound one and the hostile ones of hostile_models.h, and the small ones of
/// ONNX's conformance cases where Debian's libonnx-testdata is installed (or TALLY_ONNX_TEST_DATA names its folder),
/// their inputs that carry shapes made constants.
std::vector<Seed> seed_models();

}  // namespace tally::test
