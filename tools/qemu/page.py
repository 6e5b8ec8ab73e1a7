#!/usr/bin/env python3
"""Writes the page that shows claimed beside judged, from the JSON files of suite.py.

  page.py FILE.json... > docs/judged.md
"""

import json
import sys

OBSERVERS = {
    "qemu": "QEMU plugin",
    "native": "single-stepper",
    "callgrind": "callgrind",
}
TARGETS = {"x86_64": "", "aarch64": " (aarch64)", "arm": " (armv7)"}
HEADINGS = {"lanes": "fp32 lanes", "int_macs": "integer MACs", "bytes_loaded": "bytes loaded", "bytes_stored": "bytes stored"}
WAYS = ("loaded", "stored")

INTRODUCTION = """# Claimed and judged

What the counting kernels claim, beside what an observer that shares no code with them saw execute, in the kernels that get
timed. `scripts/judge` wrote this page; a row in which the two differ would say so, and the command would fail.

* **QEMU plugin** (`tools/qemu/plugin.c`): instructions by address and bytes by buffer, emulated.
* **single-stepper** (`tools/qemu/single_step.cpp`): instructions by address on this CPU, for what no emulator runs.
* **callgrind**: instructions by address, under valgrind; a second opinion that shares neither plugin nor emulator.

A lane is one fp32 multiply-accumulate of a vector (a multiplication on `sse2` and `scalar`, which have no fused one); the
sums include the lanes of functions such as tanh. Integer MACs are the int8 kernels'. Bytes are those in registered buffers
(weights, inputs, outputs, state, arena), to the line of 64 bytes. The figures are sums over calls; each call was compared
on its own, except under callgrind, which sees one sum a run.
"""


def number(value):
    return f"{value:,}"


def pair(case, quantity):
    found = case["quantities"].get(quantity)
    if not found:
        return "–"
    if found["claimed"] == found["judged"]:
        return f"{number(found['claimed'])} = {number(found['judged'])}"
    return f"**{number(found['claimed'])} ≠ {number(found['judged'])}**"


def table(heading, rows):
    yield "| " + " | ".join(heading) + " |"
    yield "|" + "|".join(" --- " if k == 0 else " ---: " for k in range(len(heading))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def title(row):
    return f"{row['isa']}, {OBSERVERS[row['observer']]}" + TARGETS[row["target"]]


def quantities_of(cases):
    return [name for name in HEADINGS if any(case["quantities"].get(name, {}).get("claimed") or
                                             case["quantities"].get(name, {}).get("judged") for case in cases)]


def models(rows):
    yield "## Whole models, claimed = judged"
    yield ""
    yield ("One inference (of streamed models: all time steps). The claim is also what `tally profile` prints as executed, "
           "which was compared too.")
    yield ""
    by_judge = {}
    for row in rows:
        by_judge.setdefault(title(row), []).append(row)
    for judge, group in by_judge.items():
        cases = [row["cases"][0] for row in group]
        quantities = quantities_of(cases)
        yield f"### {judge}"
        yield ""
        yield from table(["model", *(HEADINGS[q] for q in quantities)],
                         [[case["name"], *(pair(case, q) for q in quantities)] for case in cases])


def by_buffer(rows):
    rows = [row for row in rows if row.get("bytes_by_kind")]
    if not rows:
        return
    kinds = [kind for kind in ("weights", "input", "output", "state", "arena")
             if any(f"{kind} {way}" in row["bytes_by_kind"] for row in rows for way in WAYS)]
    yield "## Bytes by buffer, as judged"
    yield ""
    yield ("Loaded / stored. `outside` is what no claim covers: stack, spills, constant pools, the tables that the plan is "
           "made of.")
    yield ""
    lines = []
    for row in rows:
        cells = ["{} / {}".format(*(number(row["bytes_by_kind"].get(f"{kind} {way}", 0)) for way in WAYS)) for kind in kinds]
        outside = [sum(o[way] for o in row["outside_buffers"]) for way in WAYS]
        lines.append([row["cases"][0]["name"], title(row), *cells, f"{number(outside[0])} / {number(outside[1])}"])
    yield from table(["model", "judge", *kinds, "outside"], lines)


def sweeps(rows):
    yield "## Kernel sweeps, claimed = judged"
    yield ""
    for row in rows:
        calls = sum(case["sections"] for case in row["cases"])
        differ = sum(case["differ"] for case in row["cases"])
        verdict = f"**{number(differ)} differ**" if differ else "all equal"
        counted = "all calls as one sum" if row["observer"] == "callgrind" else f"{number(calls)} calls, {verdict}"
        quantities = quantities_of(row["cases"])
        yield f"### {title(row)}: {counted}"
        yield ""
        if row["observer"] == "callgrind":
            yield from table([HEADINGS[q] for q in quantities], [[pair(row["cases"][0], q) for q in quantities]])
            continue
        yield from table(["sweep", "calls", *(HEADINGS[q] for q in quantities)],
                         [[case["name"], number(case["sections"]), *(pair(case, q) for q in quantities)]
                          for case in row["cases"]])


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    rows = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            rows += json.load(file)
    whole = [row for row in rows if row["kind"] == "model"]
    print(INTRODUCTION)
    for line in (*models(whole), *by_buffer(whole), *sweeps([row for row in rows if row["kind"] == "sweep"])):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
