#include "tally/engine/isa_choice.h"

#include <cstdlib>

#include "tally/engine/error.h"

namespace tally {

namespace {

std::string built_names() {
  std::string names;
  for (const Isa isa : built_isas()) names += (names.empty() ? "" : ", ") + std::string(name_of(isa));
  return names;
}

}  // namespace

Isa named_isa(const std::string& who, const std::string& name) {
  if (!is_isa_name(name)) fail(who, "'" + name + "'", "must be an instruction set: " + built_names(), ErrorCode::usage);
  const std::optional<Isa> isa = isa_from_name(name);
  if (!isa) fail(who, "'" + name + "'", "is not in this build, which has " + built_names(), ErrorCode::machine);
  if (!usable(*isa))
    fail(who, "'" + name + "'", "is not in this build or not on this machine (tally info lists what is)",
         ErrorCode::machine);
  return *isa;
}

Isa choose_isa(const std::optional<Isa>& asked) {
  if (asked) return named_isa("isa", std::string(name_of(*asked)));
  if (const char* name = std::getenv("TALLY_ISA"); name != nullptr && *name != '\0')
    return named_isa("TALLY_ISA", name);
  return best_isa();
}

}  // namespace tally
