#pragma once
#include <doctest/doctest.h>

#include "tally/platforms/loop_nest.h"
#include "tests/reference/evaluate.h"

namespace tally::test {

/// The nest tells loops, and its parts are the planned ones, in words that come to the same number.
inline void check_nest(const LoopNest& nest, const Planned& planned) {
  CHECK(nest.loops.size() >= 2);
  for (const LoopNest::Part& part : nest.parts) {
    CAPTURE(part.symbols);
    CAPTURE(part.numbers);
    CHECK(part.value == planned.*part.part);
    reference::Evaluation evaluation(part.numbers);
    CHECK(evaluation.sum() == part.value);
    CHECK(evaluation.done());
  }
}

}  // namespace tally::test
