# Sourced by the other scripts: stage headings, and Debian packages on demand.

# heading TEXT: tells which stage begins.
heading() {
  printf '\n==== %s ====\n' "$*"
}

# need_packages NAME...: installs those of the Debian packages that are missing, as root or through sudo.
need_packages() {
  local missing=() name
  for name in "$@"; do
    if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]]; then
      missing+=("$name")
    fi
  done
  if ((${#missing[@]} == 0)); then
    return
  fi
  heading "Installing ${missing[*]}"
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if ((EUID != 0)); then
    as_root=(sudo "${as_root[@]}")
  fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
}

build_packages=(g++ cmake ninja-build libxsimd-dev libprotozero-dev)
program_packages=(libfmt-dev libcli11-dev nlohmann-json3-dev zlib1g-dev)
