#pragma once
#include <string>
#include <vector>

namespace tally::tools {

/// A check as JUnit's XML tells it.
struct JunitCase {
  enum class Outcome { passed, failed, error };
  std::string group, name;
  Outcome outcome = Outcome::passed;
  std::string message;  ///< of what did not pass
};

/// One test suite, in the form that CI systems read: testsuites, testsuite with tests, failures, errors, skipped and
/// time, testcase with classname, name and time, failure or error with message and type.
std::string junit_xml(const std::string& suite, const std::vector<JunitCase>& cases);

}  // namespace tally::tools
