// The words that reach a device, and which one adb means.
#include <doctest/doctest.h>

#include "tally/engine/error.h"
#include "tools/device/adb_connection.h"
#include "tools/device/device_words.h"
#include "tools/device/ssh_connection.h"

using namespace tally;
using namespace tally::tools;

namespace {

struct ShownSsh : SshConnection {
  using SshConnection::remote;
  using SshConnection::SshConnection;
};

std::string words_of(const std::string& destination, const std::vector<std::string>& options = {}) {
  std::string line;
  for (const std::string& word : ShownSsh(destination, options).remote("exec sh")) line += word + " ";
  return line;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string refusal(const std::vector<std::pair<std::string, std::string>>& devices, const std::string& serial) {
  try {
    return "chose " + chosen_device(devices, serial);
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::machine);
    return e.what();
  }
}

std::vector<std::string> spelled(std::vector<const char*> words) {
  words.insert(words.begin(), "tally");
  return spelled_out(static_cast<int>(words.size()), words.data());
}

}  // namespace

TEST_CASE("ssh gets user, host and port, and asks nothing") {
  CHECK(holds(words_of("pi@host"), "-o BatchMode=yes "));
  CHECK(words_of("pi@host").ends_with(" -- pi@host exec sh "));
  CHECK(words_of("pi@host:2222").ends_with(" -p 2222 -- pi@host exec sh "));
  CHECK(words_of("[fe80::1]:22").ends_with(" -p 22 -- fe80::1 exec sh "));
  CHECK(words_of("fe80::1").ends_with(" -- fe80::1 exec sh "));
  CHECK_FALSE(holds(words_of("fe80::1"), "-p"));
  CHECK(words_of("host", {"User=me"}).rfind("ssh -T -o User=me -o BatchMode", 0) == 0);
}

TEST_CASE("what is no host is refused") {
  for (const char* host : {"", "-oProxyCommand=x", "a b", "pi@", "pi@-x", ":22", "host\n", "host:1234567"})
    CHECK_THROWS_AS(words_of(host), Error);
}

TEST_CASE("adb's list is read, with what its starting server tells") {
  const auto devices = devices_in(
      "* daemon not running; starting now at tcp:5037\n* daemon started successfully\nList of devices attached\n"
      "0A1B\tdevice\r\nemulator-5554\toffline\n\n");
  REQUIRE(devices.size() == 2);
  CHECK(devices[0] == std::pair<std::string, std::string>("0A1B", "device"));
  CHECK(devices[1].second == "offline");
}

TEST_CASE("the device is the one named, or the only one") {
  CHECK(refusal({{"A", "device"}}, "") == "chose A");
  CHECK(refusal({{"A", "device"}, {"B", "device"}}, "B") == "chose B");
  CHECK(holds(refusal({}, ""), "no device is attached"));
  CHECK(holds(refusal({{"A", "device"}, {"B", "offline"}}, ""), "several devices: A (device), B (offline)"));
  CHECK(holds(refusal({{"A", "device"}}, "C"), "not among A (device)"));
  CHECK(holds(refusal({{"A", "unauthorized"}}, ""), "is unauthorized; must allow this computer"));
  CHECK(holds(refusal({{"A", "offline"}}, "A"), "is offline; must be ready"));
}

TEST_CASE("words of device are spelled out, those of other commands not") {
  using Words = std::vector<std::string>;
  CHECK(spelled({"run", "m.onnx", "--", "-x"}) == Words{"run", "m.onnx", "--", "-x"});
  CHECK(spelled({"device", "run", "--adb", "m.onnx", "--", "--threads", "4", "--"}) ==
        Words{"device", "run", "--adb=any", "m.onnx", "--pass=--threads", "--pass=4", "--pass=--"});
  CHECK(spelled({"device", "run", "--adb", "0A1B", "m.onnx"}) == Words{"device", "run", "--adb=0A1B", "m.onnx"});
  CHECK(spelled({"device", "run", "--adb", "--bench"}) == Words{"device", "run", "--adb=any", "--bench"});
  CHECK(spelled({"device", "run", "--adb", "/tmp"}) == Words{"device", "run", "--adb=any", "/tmp"});
  CHECK(spelled({"device", "run", "--adb"}) == Words{"device", "run", "--adb=any"});
  CHECK(spelled({}).empty());
}
