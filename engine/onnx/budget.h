#pragma once
#include <cstddef>
#include <string>

#include "tally/engine/error.h"

namespace tally::onnx {

/// Bounds the memory that a model takes while it is read: every piece is charged before it is allocated. A few bytes of
/// a file can ask for far more (an empty string takes 2 there and 32 here), so that the file's size is no bound.
class Budget {
 public:
  explicit Budget(size_t max_bytes) : max_bytes_(max_bytes), left_(max_bytes) {}

  void charge(size_t bytes) {
    if (bytes > left_)
      fail("", text("reading takes more than ", max_bytes_, " bytes"), "must fit the memory limit", ErrorCode::limit);
    left_ -= bytes;
  }
  void charge_string(size_t length) { charge(sizeof(std::string) + length); }

 private:
  size_t max_bytes_, left_;
};

}  // namespace tally::onnx
