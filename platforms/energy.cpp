#include "tally/platforms/energy.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

namespace tally {

namespace {

constexpr const char* kPowercap = "/sys/class/powercap/";
constexpr const char* kHwmon = "/sys/class/hwmon/";
constexpr const char* kVcgencmd[] = {"/usr/bin/vcgencmd", "/bin/vcgencmd", "/opt/vc/bin/vcgencmd"};

bool starts_with(const std::string& text, std::string_view start) { return text.compare(0, start.size(), start) == 0; }

/// Readable by the superuser alone since Linux 5.10, because precise energy betrays secrets (CVE-2020-8694).
std::string unreadable(const std::string& file) {
  return file + " cannot be read by this user (sudo chmod a+r, or run as root)";
}

void find_rapl(const SystemFiles& files, std::vector<EnergySource>& found) {
  for (const std::string& zone : files.entries(kPowercap)) {
    const std::string folder = kPowercap + zone;
    if (!starts_with(zone, "intel-rapl:") || !files.exists(folder + "/energy_uj")) continue;
    const std::string name = files.line(folder + "/name").value_or(zone);
    if (!starts_with(name, "package") && name != "dram") continue;
    EnergySource source{EnergyKind::rapl, name, folder + "/energy_uj"};
    source.wraps_after_uj = files.number(folder + "/max_energy_range_uj").value_or(0);
    if (!files.number(source.file)) source.obstacle = unreadable(source.file);
    found.push_back(std::move(source));
  }
}

/// Sensors of the CPU or the whole board. Those of a graphics card or a disk measure something else.
bool measures_us(const std::string& name) {
  return starts_with(name, "ina2") || starts_with(name, "ina3") || name == "power_meter" || name == "amd_energy";
}

void find_joules(const SystemFiles& files, const std::string& folder, const std::string& name,
                 std::vector<EnergySource>& found) {
  for (int i = 1; i <= 256; ++i) {
    const std::string channel = folder + "/energy" + std::to_string(i);
    if (!files.exists(channel + "_input")) break;
    // amd_energy has a counter a core (Ecore…) and one a socket (Esocket…), which holds its cores.
    const std::string label = files.line(channel + "_label").value_or("");
    if (starts_with(label, "Ecore")) continue;
    EnergySource source{EnergyKind::joules, label.empty() ? name : name + " " + label, channel + "_input"};
    if (!files.number(source.file)) source.obstacle = unreadable(source.file);
    found.push_back(std::move(source));
  }
}

/// power1_input; where there is none its average, or volts and amperes of the same channel.
void find_watts(const SystemFiles& files, const std::string& folder, const std::string& name,
                std::vector<EnergySource>& found) {
  EnergySource source{EnergyKind::watts, name, folder + "/power1_input"};
  if (!files.exists(source.file)) source.file = folder + "/power1_average";
  if (!files.exists(source.file)) {
    source.file = folder + "/in1_input";
    source.ampere_file = folder + "/curr1_input";
    if (!files.exists(source.file) || !files.exists(source.ampere_file)) return;
  }
  if (!files.number(source.file)) source.obstacle = unreadable(source.file);
  found.push_back(std::move(source));
}

void find_pmic(const SystemFiles& files, std::vector<EnergySource>& found) {
  for (const char* program : kVcgencmd) {
    const std::optional<std::string> text = files.output_of(program, "pmic_read_adc");
    if (!text || !pmic_watts(*text)) continue;  // only the Pi 5 has it
    found.push_back({EnergyKind::pmic, "rails", program});
    return;
  }
}

}  // namespace

std::string_view name_of(EnergyKind kind) {
  switch (kind) {
    case EnergyKind::rapl:
      return "rapl";
    case EnergyKind::joules:
    case EnergyKind::watts:
      return "hwmon";
    case EnergyKind::pmic:
      break;
  }
  return "pmic";
}

std::vector<EnergySource> energy_sources(const SystemFiles& files) {
  std::vector<EnergySource> found;
  find_rapl(files, found);
  for (const std::string& device : files.entries(kHwmon)) {
    const std::string folder = kHwmon + device;
    const std::string name = files.line(folder + "/name").value_or("");
    if (!measures_us(name)) continue;
    find_joules(files, folder, name, found);
    find_watts(files, folder, name, found);
  }
  find_pmic(files, found);
  std::stable_sort(found.begin(), found.end(),
                   [](const EnergySource& a, const EnergySource& b) { return a.kind < b.kind; });
  return found;
}

EnergyMeter::EnergyMeter(const SystemFiles& files, std::vector<EnergySource> sources) : files_(&files) {
  if (sources.empty())
    missing_ =
        "no energy source: no RAPL in /sys/class/powercap, no power sensor (ina2xx) in /sys/class/hwmon, no "
        "vcgencmd pmic_read_adc";
  for (EnergySource& source : sources) {
    if (!source.obstacle.empty()) {
      missing_ += (missing_.empty() ? "" : "; ") + source.obstacle;
    } else if (sources_.empty() || (source.kind == sources_.front().kind && source.kind != EnergyKind::watts)) {
      sources_.push_back(std::move(source));
    }
  }
  if (!sources_.empty()) missing_.clear();
  counter_uj_.resize(sources_.size());
}

std::string_view EnergyMeter::source() const {
  return sources_.empty() ? std::string_view() : name_of(sources_.front().kind);
}

// RAPL steps once a ms, the counters of amd_energy once in 100 ms; INA sensors average over up to 0.1 s; asking the
// Pi's controller takes some 10 ms.
double EnergyMeter::least_seconds() const {
  return !sources_.empty() && sources_.front().kind == EnergyKind::rapl ? 0.2 : 1.0;
}

std::optional<double> EnergyMeter::watts_of(const EnergySource& source) const {
  if (source.kind == EnergyKind::pmic) {
    const std::optional<std::string> text = files_->output_of(source.file, "pmic_read_adc");
    return text ? pmic_watts(*text) : std::nullopt;
  }
  const std::optional<int64_t> first = files_->number(source.file);
  if (!first) return std::nullopt;
  if (source.ampere_file.empty()) return static_cast<double>(*first) * 1e-6;
  const std::optional<int64_t> milliamperes = files_->number(source.ampere_file);
  if (!milliamperes) return std::nullopt;
  return static_cast<double>(*first) * static_cast<double>(*milliamperes) * 1e-6;
}

void EnergyMeter::start(int64_t now_ns) {
  failed_ = false;
  watts_ = joules_ = 0;
  last_ns_ = now_ns;
  sample(now_ns);
  joules_ = 0;
}

void EnergyMeter::sample(int64_t now_ns) {
  double watts = 0;
  for (size_t i = 0; i < sources_.size(); ++i) {
    const EnergySource& source = sources_[i];
    if (source.kind == EnergyKind::rapl || source.kind == EnergyKind::joules) {
      const std::optional<int64_t> uj = files_->number(source.file);
      failed_ = failed_ || !uj;
      if (!uj) continue;
      joules_ += static_cast<double>(counted_uj(counter_uj_[i], *uj, source.wraps_after_uj)) * 1e-6;
      counter_uj_[i] = *uj;
    } else {
      const std::optional<double> now = watts_of(source);
      failed_ = failed_ || !now;
      watts += now.value_or(0);
    }
  }
  joules_ += 0.5 * (watts_ + watts) * static_cast<double>(now_ns - last_ns_) * 1e-9;
  watts_ = watts;
  last_ns_ = now_ns;
}

std::optional<double> EnergyMeter::joules() const {
  if (!usable() || failed_) return std::nullopt;
  return joules_;
}

int64_t counted_uj(int64_t before, int64_t after, int64_t wraps_after_uj) {
  return after >= before ? after - before : std::max<int64_t>(0, after - before + wraps_after_uj);
}

std::optional<double> pmic_watts(const std::string& text) {
  std::map<std::string, std::pair<double, double>> rails;  // amperes, volts
  std::istringstream lines(text);
  for (std::string name, value; lines >> name >> value;) {
    const size_t equals = value.find('=');
    if (name.size() < 3 || equals == std::string::npos) continue;
    const double number = std::strtod(value.c_str() + equals + 1, nullptr);
    const std::string rail = name.substr(0, name.size() - 2), unit = name.substr(name.size() - 2);
    if (unit == "_A") rails[rail].first = number;
    if (unit == "_V") rails[rail].second = number;
  }
  double watts = 0;
  for (const auto& [rail, both] : rails) watts += both.first * both.second;
  return watts > 0 ? std::optional(watts) : std::nullopt;
}

}  // namespace tally
