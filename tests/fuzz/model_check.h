#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace tally::test {

/// How far a model came.
enum class Reached { refused, ran };

/// Loads, estimates, plans, runs, profiles and streams a model of any bytes under tight limits. Throws BrokenPromise
/// where one of the house's promises does not hold:
///   a refusal is an Error of the model or of a limit that names node, value found and value required;
///   estimates are never negative, and need no weights' values;
///   executed == planned, executed − ideal == Σ gap terms, and counting changes no bit of a result;
///   nothing takes seconds of CPU time.
/// Any other exception is a broken promise too, and passes through.
Reached check_model(std::span<const std::byte> bytes);

struct BrokenPromise {
  std::string what;
};

}  // namespace tally::test
