#pragma once
// The value of a formula with its numbers substituted, as `explain` prints it.
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tally::reference {

/// Sums, differences and products (+, −, ·) of integers and of brackets.
class Evaluation {
 public:
  explicit Evaluation(std::string_view text) : rest_(text) {}

  int64_t sum() {
    int64_t value = product();
    while (true) {
      if (take(" + ")) {
        value += product();
      } else if (take(" − ")) {
        value -= product();
      } else {
        return value;
      }
    }
  }
  bool done() const { return rest_.empty(); }

 private:
  bool take(std::string_view token) {
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  int64_t product() {
    int64_t value = factor();
    while (take("·")) value *= factor();
    return value;
  }
  int64_t factor() {
    if (take("(")) {
      const int64_t value = sum();
      take(")");
      return value;
    }
    const bool minus = take("-");
    int64_t value = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = 10 * value + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return minus ? -value : value;
  }

  std::string_view rest_;
};

}  // namespace tally::reference
