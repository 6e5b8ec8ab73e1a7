#pragma once
#include "tally/engine/error.h"

namespace tally::tools {

enum ExitCode { kDone = 0, kUsage = 2, kBadInput = 3, kMachine = 4, kInternal = 5 };

/// What the program ends with after an error.
constexpr int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return kUsage;
    case ErrorCode::model:
    case ErrorCode::limit:
      return kBadInput;
    case ErrorCode::machine:
      return kMachine;
    case ErrorCode::internal:
      break;
  }
  return kInternal;
}

}  // namespace tally::tools
