#pragma once
// What is known of the operators: asked of their layers by example, never written down.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tally/engine/cost.h"
#include "tally/layers/registry.h"
#include "tally/platforms/isa.h"

namespace tally {

/// Where an operator's work is done.
enum class Runs {
  steps,    ///< by kernels or plain loops
  at_load,  ///< never: its results are known when a plan is made
  never,    ///< its result is its operand's bytes
};

struct OperatorFacts {
  SupportedOperator row;
  Runs runs = Runs::steps;
  /// Element types of its data, and what may run each: kernels as reports name them, "host" for plain loops. Kernels
  /// that an instruction set lacks are missing from its set.
  std::map<DType, std::map<Isa, std::set<std::string>>> kernels;
  std::map<Coverage, std::set<std::string>> coverage;  ///< of its cost, with the reasons of `approximate`
};

/// Every operator of the registry, by name. `isas`: those asked, which must be usable. An operator whose examples no
/// layer takes has no types: a defect (tests/layers/operator_facts_test.cpp).
std::vector<OperatorFacts> operator_facts(std::span<const Isa> isas);

/// Element types that examples are tried in, float32 first.
std::span<const DType> swept_types();
/// Those of one example.
std::span<const DType> types_to_try(std::string_view example);

}  // namespace tally
