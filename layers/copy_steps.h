#pragma once
// Data movement as loops with a stride on either side: what Transpose, Concat, Pad and ConstantOfShape are made of.
#include <vector>

#include "tally/engine/preparation.h"

namespace tally {

/// One loop of a copy; strides in elements. x_stride 0 repeats, a negative one reverses.
struct CopyLoop {
  int64_t size = 1, x_stride = 0, y_stride = 0;
};

/// copy_nd arguments, pointers aside, for y[Σ i_d·y_stride_d] = x[Σ i_d·x_stride_d]. Loops come in any order; those
/// that follow each other in both tensors become one. Throws Error(limit) naming `who` where more than kCopyRank
/// remain.
CopyArgs copy_args(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who);

/// One of the copies that together make one of more dimensions than a kernel walks; offsets in elements.
struct CopyPart {
  CopyArgs args;
  int64_t x_offset = 0, y_offset = 0;
};

/// The same as copies of at most kCopyRank dimensions each: the shortest loops that are too many become copies of their
/// own; none where there is nothing to move. Throws Error(limit) naming `who` where there would be very many.
std::vector<CopyPart> copy_parts(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who);

/// Copies that make every element of y, which `loops` walk, one value. It lies kFillRow times in a row in x, so that
/// rows are copied, many times as fast as one element again and again.
inline constexpr int64_t kFillRow = 256;
std::vector<CopyPart> fill_parts(std::vector<CopyLoop> loops, int64_t element_bytes, const std::string& who);

/// Planned cycles: those of the bytes moved where rows are adjacent on both sides, else those of engine/reorder.h.
double copy_cycles(const CopyArgs& args, const Geometry& geometry);

/// One side of a copy.
struct CopyEnd {
  BufferId buffer = -1;
  int64_t offset = 0;     ///< in elements
  bool constant = false;  ///< x only: the bytes are weights
};

/// Appends the step; nothing where there is nothing to move.
void add_copy_step(Preparation& preparation, const CopyArgs& args, const CopyEnd& x, const CopyEnd& y);

/// Bytes of an element that can be copied. Throws Error(model) for strings and types packed two a byte.
int64_t whole_element_bytes(DType type, const std::string& who);

}  // namespace tally
