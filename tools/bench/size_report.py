#!/usr/bin/env python3
"""What a program's bytes are, by floor: from the map that the linker wrote beside it (GNU ld).

  tools/bench/size_report.py build/pi64-static build/embedded-pi64 [--detail N] [--format table|md|json]

A folder is a build's, with `tally` and `tally.map` in it. `loaded` are the bytes of the sections that a running program has
in memory, as the map gives them before the linker merges equal constants; `file` is the program after strip. Inline code
that several objects share counts where the linker kept it.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Output sections by what they are for; any other that is loaded counts as read-only.
KINDS = {".text": "code", ".init": "code", ".fini": "code", ".plt": "code", ".iplt": "code", ".data": "data", ".tdata": "data",
         ".init_array": "data", ".fini_array": "data", ".data.rel.ro": "data", ".got": "data", ".got.plt": "data",
         ".bss": "zeroed", ".tbss": "zeroed"}
COLUMNS = ("code", "constants", "data", "zeroed")
FLOORS = ("platforms", "engine", "layers", "tools", "C++ library", "C library", "OpenMP", "compiler", "other")

OUTPUT_SECTION = re.compile(r"^(\.[\w.]+)(?:\s+0x[0-9a-f]+\s+0x([0-9a-f]+))?")
# " .text.foo  0x… 0x… file", the address perhaps on a line of its own.
INPUT_SECTION = re.compile(r"^ (\S+)\s+0x0*([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
NAME_ALONE = re.compile(r"^ (\.\S+)$")
PLACE = re.compile(r"^\s+0x0*([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
NOT_LOADED = re.compile(r"^\.(debug|comment|note\.GNU-stack|symtab|strtab|shstrtab|ARM\.attributes|gnu\.lto)")


def floor_of(source):
    """The floor, or the library, that an object file or archive member belongs to."""
    archive = re.match(r"(.*/)?([^/()]+\.a)\(", source)
    name = archive.group(2) if archive else source
    for floor in ("platforms", "engine", "layers", "tools"):
        if name == f"libtally_{floor}.a" or f"/tally_{floor}.dir/" in source:
            return floor
    if "/tally.dir/" in source:
        return "tools"
    if "/tally_isa_" in source:
        return "platforms"
    for library, prefixes in (("C++ library", ("libstdc++", "libsupc++", "libc++")), ("OpenMP", ("libgomp", "libomp")),
                              ("compiler", ("libgcc", "libclang_rt", "libunwind")),
                              ("C library", ("libc.a", "libm", "libpthread", "libdl", "librt", "libz"))):
        if name.startswith(prefixes):
            return library
    return "C library" if re.search(r"/crt[^/]*\.o$", source) else "other"


def kind_of(section):
    return KINDS.get(section, "constants")


def sections_of(lines):
    """(output section, bytes, object) of every input section that is loaded."""
    output, pending = None, None
    for line in lines:
        line = line.rstrip("\n")
        started = OUTPUT_SECTION.match(line)
        if started:
            output, pending = started.group(1), None
            continue
        if output is None or NOT_LOADED.match(output):
            continue
        match = INPUT_SECTION.match(line)
        if match:
            _, address, size, source = match.groups()
            pending = None
        elif NAME_ALONE.match(line):
            pending = line
            continue
        elif pending and PLACE.match(line):
            address, size, source = PLACE.match(line).groups()
            pending = None
        else:
            continue
        if int(address, 16) and not source.startswith("("):
            yield output, int(size, 16), source


def read_map(file):
    """{floor: {kind: bytes}} and {(floor, object): bytes} of a linker map."""
    floors = collections.defaultdict(collections.Counter)
    objects = collections.Counter()
    with open(file, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("Linker script and memory map"):
                break
        for section, size, source in sections_of(lines):
            floor = floor_of(source)
            floors[floor][kind_of(section)] += size
            objects[floor, source.rpartition("/")[2]] += size
    return floors, objects


def strip_for(program):
    machine = int.from_bytes(program.read_bytes()[18:20], "little")
    return {183: "aarch64-linux-gnu-strip", 40: "arm-linux-gnueabihf-strip"}.get(machine, "strip")


def stripped_bytes(program):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "stripped")
        subprocess.run([strip_for(program), "-o", out, program], check=True)
        return out.stat().st_size


def report_of(build):
    build = pathlib.Path(build)
    floors, objects = read_map(build / "tally.map")
    rows = {floor: dict(floors[floor], total=sum(floors[floor].values())) for floor in FLOORS if floor in floors}
    return {"build": build.name, "file": stripped_bytes(build / "tally"), "floors": rows,
            "loaded": sum(row["total"] for row in rows.values()),
            "objects": [{"floor": floor, "object": name, "bytes": size} for (floor, name), size in objects.most_common()]}


def table(reports):
    """Bytes by floor, a column a build."""
    lines = [["floor", *(f"{r['build']}, B" for r in reports)], ["---", *("---:" for _ in reports)]]
    for floor in FLOORS:
        if any(floor in r["floors"] for r in reports):
            lines.append([floor, *(f"{r['floors'].get(floor, {}).get('total', 0):,}" for r in reports)])
    lines.append(["loaded", *(f"{r['loaded']:,}" for r in reports)])
    for kind in COLUMNS:
        lines.append([f"of it {kind}", *(f"{sum(f.get(kind, 0) for f in r['floors'].values()):,}" for r in reports)])
    lines.append(["file, stripped", *(f"{r['file']:,}" for r in reports)])
    return lines


def print_table(lines, markdown):
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    for number, row in enumerate(lines):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        if markdown:
            print("| " + " | ".join(row) + " |")
        elif number != 1:
            print("  ".join(cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", help="build folders")
    parser.add_argument("--detail", type=int, default=0, metavar="N", help="the N largest objects of each")
    parser.add_argument("--format", choices=("table", "md", "json"), default="table")
    options = parser.parse_args()
    reports = [report_of(build) for build in options.builds]
    if options.format == "json":
        return print(json.dumps(reports, indent=1))
    print_table(table(reports), options.format == "md")
    for r in reports:
        for item in r["objects"][:options.detail]:
            print(f"{r['build']}  {item['floor']:12} {item['bytes']:>10,}  {item['object']}")


if __name__ == "__main__":
    sys.exit(main())
