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

# need_idle_server_packages NAME...: the same for packages that bring a server, which is kept from starting. On a machine
# that boots services it would start later, so there nothing is installed, and the tests that want it say so.
need_idle_server_packages() {
  if [[ -d /run/systemd/system ]]; then
    echo "scripts: $* left to you, since a server would start with this machine; tests without it are skipped" >&2
    return
  fi
  local policy=/usr/sbin/policy-rc.d as_root=()
  ((EUID == 0)) || as_root=(sudo)
  if [[ -e $policy ]]; then
    need_packages "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
  local status=0
  need_packages "$@" || status=$?
  "${as_root[@]}" rm -f "$policy"
  return "$status"
}

build_packages=(g++ cmake ninja-build libxsimd-dev libprotozero-dev)
program_packages=(libfmt-dev libcli11-dev nlohmann-json3-dev zlib1g-dev)
