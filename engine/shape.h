#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tally/platforms/dtype.h"

namespace tally {

/// Extents of a tensor, outermost first; a scalar is empty. All known and >= 0.
using Shape = std::vector<int64_t>;

/// Extents as a model declares them: a number, a name to be bound, or nothing known.
struct Dim {
  int64_t value = -1;  ///< >= 0 when known
  std::string name;    ///< symbolic dimension, else empty
  friend bool operator==(const Dim&, const Dim&) = default;
};

/// a·b, or nothing where it overflows int64 (operands >= 0).
std::optional<int64_t> checked_multiply(int64_t a, int64_t b);

/// Product of the extents. Throws Error(limit) naming `who` where it, or its size in bytes at 16 bytes an element,
/// overflows.
int64_t element_count(const Shape& shape, const std::string& who = "tensor");

/// "1x6x28x28"; a scalar is "scalar".
std::string to_string(const Shape& shape);

/// Element strides of a dense row-major tensor.
Shape row_major_strides(const Shape& shape);

/// ONNX multidirectional broadcasting of two shapes; nothing where they do not match.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

/// `axis` in [-rank, rank) brought to [0, rank); throws Error(model) naming `who`.
int64_t normalize_axis(int64_t axis, int64_t rank, const std::string& who);

}  // namespace tally
