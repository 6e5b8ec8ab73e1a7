#pragma once
// What DFT and STFT have in common: rows of a tensor, transformed one by one on the host.
#include <memory>

#include "tally/layers/fourier.h"
#include "tally/layers/host_layer.h"

namespace tally {

/// Rows (a, b), a in [0, outer), b in [0, inner). Element j of a row lies at a·outer + b·inner + j·along, in numbers of
/// the tensor, a complex one's real part before its imaginary part.
struct RowPlaces {
  int64_t outer = 0, inner = 0, along = 0;
};

struct FourierRows {
  int64_t outer = 1, inner = 1;
  int64_t n = 1;        ///< length of the transforms
  int64_t samples = 1;  ///< of a row, at most n; zeros behind them
  int64_t bins = 1;     ///< results kept of each transform
  bool complex = false;
  bool inverse = false;  ///< e^(+2πi·jk/n), and results divided by n
  int window = -1;       ///< input that every row is multiplied by, n numbers; -1: none
  RowPlaces x, y;
};

/// Adds the step that transforms rows of input 0 into output 0, both of the same floating-point type.
void add_fourier_step(Preparation& preparation, const FourierRows& rows, double cycles);

/// The ideal cost of `rows` transforms of length n, and `window` products a row.
Cost fourier_cost(std::string source, int64_t rows, int64_t n, bool complex, int64_t window);

/// The value of a scalar integer operand that is constant or bound. Throws Error(model) naming `who` and `what`.
int64_t scalar_integer(const std::string& who, const char* what, const Operand& operand);

}  // namespace tally
