"""What no object may call, so that the program builds for Android from API level 24 on: functions of glibc that bionic got
later, or never.

From the NDK's table of bionic's functions by API level (bionic/docs/status.md in its sources).

Usage: android_symbols.py NM FILE...
"""

import re
import subprocess
import sys

# Function -> API level that has it; None: not yet, as of level 35.
LATER = {
    "nl_langinfo": 26, "strtod_l": 26, "strtol_l": 26, "mblen": 26, "catopen": 26, "ctermid": 26,
    "getgrent": 26, "getpwent": 26, "hasmntopt": 26, "pthread_getname_np": 26,
    "aligned_alloc": 28, "glob": 28, "globfree": 28, "posix_spawn": 28, "posix_spawnp": 28, "getrandom": 28,
    "getentropy": 28, "iconv": 28, "iconv_open": 28, "syncfs": 28, "fexecve": 28, "hcreate": 28, "hsearch": 28,
    "pthread_setschedprio": 28, "swab": 28, "strptime_l": 28, "timespec_get": 29, "getloadavg": 29, "reallocarray": 29,
    "memfd_create": 30, "mlock2": 30, "pthread_cond_clockwait": 30, "pthread_mutex_clocklock": 30, "renameat2": 30,
    "statx": 30, "backtrace": 33, "backtrace_symbols": 33, "preadv2": 33, "pidfd_open": 31, "copy_file_range": 34,
    "close_range": 34, "memset_explicit": 34, "tcgetwinsize": 35, "timespec_getres": 35, "qsort_r": None,
    "pthread_setaffinity_np": None, "pthread_getaffinity_np": None, "getcontext": None, "makecontext": None, "wordexp": None,
    "secure_getenv": None, "mallinfo2": None, "pthread_cancel": None, "shm_open": None, "rexec": None,
}
OLDEST = 24

SYMBOL = re.compile(r"^\s+U\s+([^@\s]+)")


def broken(listing):
    """The functions of an `nm` listing that Android's oldest level lacks, one text each."""
    found = {}
    for line in listing.splitlines():
        match = SYMBOL.match(line)
        if match and match.group(1) in LATER:
            level = LATER[match.group(1)]
            found[match.group(1)] = f"{match.group(1)}: " + (f"API level {level}" if level else "not in bionic")
    return sorted(found.values())


def main(nm, files):
    listing = subprocess.run([nm, *files], check=True, capture_output=True, text=True).stdout
    problems = broken(listing)
    if "U " not in listing:
        problems.append("no symbols found")
    print("\n".join(problems) or f"nothing that Android's API level {OLDEST} lacks")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
