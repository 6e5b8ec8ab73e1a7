"""The floors of the house: what each source file may include.

A floor includes only what lies below it, by "tally/<floor>/<file>", a room of the tools likewise; each library of others
has its one place. `violations` reads every source under a root; run as a script it prints them and exits 1 if there are any.
"""

import pathlib
import re
import sys

FLOORS = ["platforms", "engine", "layers", "tools"]
# The rooms of the tools, with the same rule among them; its other folders (benchmarks, the judge) stand aside.
ROOMS = ["input", "output", "machine", "estimate", "measure", "compare", "device", "html", "commands"]
TESTS = "tests"
SOURCES = {".h", ".hpp", ".inc", ".c", ".cpp"}

# First folder of a foreign include (or the header itself) -> the only folders whose files may name it.
FOREIGN = {
    "xsimd": ["platforms/kernels", "platforms/isa"],
    "omp.h": ["platforms"],
    "protozero": ["engine/onnx", TESTS],
    "fmt": ["tools", TESTS],
    "CLI": ["tools", TESTS],
    "nlohmann": ["tools", TESTS],
    "zlib.h": ["tools", TESTS],
    "doctest": [TESTS],
}
LIBRARY = FLOORS[:3]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
OPENMP = re.compile(r"^\s*#\s*pragma\s+omp\b|\b_Pragma\s*\(\s*\"omp\b")


def inside(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def floor_of_include(target):
    """The floor that an include reaches, or None for a foreign one."""
    if target == "tally/tally.h":
        return "layers"
    if target == "tally/build_info.h":
        return "tools"
    first, _, rest = target.partition("/")
    if first == "tally":
        return rest.partition("/")[0]
    return first if first in ("tools", TESTS) else None


def check_include(path, quote, target):
    """Why the file at `path` (relative to the root) may not include `target`, or None."""
    own = path.partition("/")[0]
    place = next((places for name, places in FOREIGN.items() if target == name or target.startswith(name + "/")), None)
    if place is not None:
        return None if inside(path, place) else f"{target} belongs in {' and '.join(place)} only"
    reached = floor_of_include(target)
    if reached is None:
        if quote == '"' and own in LIBRARY:
            return f'"{target}" must be named by its floor, "tally/<floor>/<file>"'
        return None
    if own == TESTS:
        return None
    if reached not in FLOORS:
        return f"{target} names no floor below {own}"
    if FLOORS.index(reached) > FLOORS.index(own):
        return f"{own} may not include {target}: {reached} lies above it"
    if reached == own == "tools":
        return check_room(path, target)
    return None


def check_room(path, target):
    """As check_include(), for a file of the tools that includes another of them."""
    own, reached = path.split("/")[1], target.split("/")[1]
    if own in ROOMS and reached in ROOMS and ROOMS.index(reached) > ROOMS.index(own):
        return f"tools/{own} may not include {target}: {reached} lies above it"
    return None


def violations(root):
    """Every broken rule under `root` as "path:line: reason"."""
    root = pathlib.Path(root)
    found = []
    for top in FLOORS + [TESTS]:
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                reason = check_include(path, *match.groups()) if match else None
                if OPENMP.search(line) and not inside(path, ["platforms"]):
                    reason = "OpenMP belongs in platforms only"
                if reason:
                    found.append(f"{path}:{number}: {reason}")
    return found


if __name__ == "__main__":
    problems = violations(sys.argv[1])
    print("\n".join(problems) or "every include points down")
    sys.exit(1 if problems else 0)
