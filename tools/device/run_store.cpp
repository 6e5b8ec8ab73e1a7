#include "tools/device/run_store.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/output/document.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace fs = std::filesystem;

std::string file_name_of(const std::string& name) {
  std::string safe = name;
  for (char& c : safe) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._-+@").find(c) != std::string_view::npos;
    if (!plain) c = '_';
  }
  if (safe.empty() || safe.front() == '.' || safe.front() == '-') safe = "_" + safe;
  return safe.substr(0, 120);
}

fs::path store_run(const fs::path& folder, const std::string& device, const std::string& name, const std::string& utc,
                   const nlohmann::ordered_json& document) {
  const fs::path place = folder / file_name_of(device);
  std::error_code error;
  fs::create_directories(place, error);
  if (error) fail("folder '" + place.string() + "'", error.message(), "must be writable (--store)", ErrorCode::usage);
  const std::string stem = file_name_of(name) + "-" + utc;
  fs::path file = place / (stem + ".json");
  for (int number = 2; fs::exists(file, error); ++number)
    file = place / (stem + "-" + std::to_string(number) + ".json");
  const fs::path part = place / ("." + file.filename().string() + "." + std::to_string(getpid()) + ".part");
  try {
    write_data(as_text(document), part.string());
    fs::rename(part, file);
  } catch (const fs::filesystem_error& e) {
    fs::remove(part, error);
    fail("file '" + file.string() + "'", e.code().message(), "must be writable", ErrorCode::usage);
  } catch (...) {
    fs::remove(part, error);
    throw;
  }
  return file;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char words[32];
  std::strftime(words, sizeof words, "%Y%m%dT%H%M%SZ", &parts);
  return words;
}

}  // namespace tally::tools
