#include "tools/output/junit.h"

#include <algorithm>

#include "tools/output/markup.h"

namespace tally::tools {

std::string junit_xml(const std::string& suite, const std::vector<JunitCase>& cases) {
  const auto count = [&](JunitCase::Outcome outcome) {
    return std::to_string(
        std::count_if(cases.begin(), cases.end(), [&](const JunitCase& c) { return c.outcome == outcome; }));
  };
  const std::string tests = std::to_string(cases.size()), failures = count(JunitCase::Outcome::failed),
                    errors = count(JunitCase::Outcome::error);
  Markup out;
  out.verbatim("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  out.open("testsuites", {{"tests", tests}, {"failures", failures}, {"errors", errors}});
  out.open(
      "testsuite",
      {{"name", suite}, {"tests", tests}, {"failures", failures}, {"errors", errors}, {"skipped", "0"}, {"time", "0"}});
  for (const JunitCase& c : cases) {
    out.open("testcase", {{"classname", suite + "." + c.group}, {"name", c.name}, {"time", "0"}});
    if (c.outcome != JunitCase::Outcome::passed)
      out.leaf(c.outcome == JunitCase::Outcome::failed ? "failure" : "error", c.message,
               {{"message", c.message}, {"type", "budget"}});
    out.close();
  }
  out.close().close();
  return out.done();
}

}  // namespace tally::tools
