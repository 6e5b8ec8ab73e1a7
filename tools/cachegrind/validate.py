#!/usr/bin/env python3
"""The cache model of `profile` beside valgrind's, on the same geometry: bytes fetched into each of two cache levels.

  validate.py --tally PROGRAM [--geometry L1_KIB:WAYS,L2_KIB:WAYS]... [--isa avx2] [--markdown FILE] MODEL...

For every model and geometry: `tally profile --machine` with a machine file of these caches says what a run fetches
(model, source: engine/traffic.h). Valgrind's callgrind simulates the same caches (--D1, --LL; the simulator is that of
cachegrind) on the instructions that really run, counts between entering and leaving Context::run(), and dumps after
every run; the last run, with caches as the one before left them, is compared. Callgrind sees the stack, tables and
spills too, which are no buffers of the model, and keeps instructions in its last level.

error = model ÷ simulated − 1, where either says a thousandth of the issued bytes or more ("nothing" below that); in
brackets the difference as a share of the issued bytes, which tells a large error of little from one that matters. By
hand, since it takes minutes; valgrind runs AVX2 but no AVX-512.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

LINE = 64


def machine_file(levels):
    """A machine of nothing but caches."""
    figure = {"value": 1e9, "source": "model", "citation": "none: only the caches matter"}
    rate = {"one_core": figure, "all_cores": None}
    items = [{"name": f"L{i + 1}", "bytes": kib * 1024, "line_bytes": LINE, "ways": ways, "shared_by": 1,
              "read_bytes_per_s": rate, "write_bytes_per_s": rate} for i, (kib, ways) in enumerate(levels)]
    items.append({"name": "dram", "read_bytes_per_s": rate, "write_bytes_per_s": rate})
    return {"schema": "tally.machine/1", "name": "caches", "clusters": [{"cores": 1, "peaks": [], "levels": items}]}


def modelled(options, model, geometry, folder):
    file = folder / "machine.json"
    file.write_text(json.dumps(machine_file(geometry)))
    done = subprocess.run([options.tally, "profile", model, "--seed", "1", "--isa", options.isa, "--repeats", "1",
                           "--no-overhead", "--machine", file, "--format", "json", "--quiet"],
                          capture_output=True, check=True, text=True)
    layers = json.loads(done.stdout)["layers"]
    fetched = [0] * len(geometry)
    for layer in layers:
        for i in range(len(geometry)):
            fetched[i] += layer["bytes"]["beyond_fetched"][f"L{i + 1}"]
    in_order = all(layer["bytes"]["in_order"] for layer in layers)
    return fetched, sum(layer["bytes"]["issued"] for layer in layers), in_order


def last_dump(folder):
    """Event counts of the last dump that holds any."""
    files = sorted(folder.glob("callgrind.*"), key=lambda f: int(f.suffix[1:]) if f.suffix[1:].isdigit() else 0)
    for file in reversed(files):
        events, totals = [], []
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith(("totals:", "summary:")):
                totals = [int(v) for v in line.split()[1:]]
        if totals and totals[0] > 0:
            return dict(zip(events, totals + [0] * len(events)))
    sys.exit(f"validate.py: callgrind dumped nothing in {folder}")


def simulated(options, model, geometry, folder):
    (d1, d1_ways), (ll, ll_ways) = geometry
    function = "tally::Context::run()"
    subprocess.run(["valgrind", "--tool=callgrind", "--cache-sim=yes", f"--D1={d1 * 1024},{d1_ways},{LINE}",
                    f"--LL={ll * 1024},{ll_ways},{LINE}", "--collect-atstart=no", f"--toggle-collect={function}",
                    f"--dump-after={function}", f"--callgrind-out-file={folder}/callgrind", options.tally, "bench",
                    model, "--seed", "1", "--isa", options.isa, "--repeats", "1", "--quiet"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True)
    events = last_dump(folder)
    return [LINE * (events.get("D1mr", 0) + events.get("D1mw", 0)),
            LINE * (events.get("DLmr", 0) + events.get("DLmw", 0))]


def error(model, simulation, issued):
    """Relative to what was simulated, and to what was issued; None where there is next to nothing."""
    if max(simulation, model) < issued / 1000:
        return None
    return (model / simulation - 1 if simulation > 0 else float("inf")), (model - simulation) / issued


def shown(value):
    return "nothing" if value is None else f"{100 * value[0]:+.1f} % ({100 * value[1]:+.1f} %)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tally", required=True)
    parser.add_argument("--isa", default="avx2")
    parser.add_argument("--geometry", action="append", default=[], metavar="KIB:WAYS,KIB:WAYS")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    options = parser.parse_args()
    geometries = options.geometry or ["32:8,1024:16", "32:4,512:16"]
    rows, errors = [], []
    for text in geometries:
        geometry = [tuple(int(v) for v in level.split(":")) for level in text.split(",")]
        for model in options.models:
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                model_bytes, issued, in_order = modelled(options, model, geometry, folder)
                true_bytes = simulated(options, model, geometry, folder)
            found = [error(m, t, issued) for m, t in zip(model_bytes, true_bytes)]
            errors += [e for e in found if e is not None]
            name = pathlib.Path(model).stem + ("" if in_order else " *")
            sizes = " + ".join(f"{kib} KiB {ways}-way" for kib, ways in geometry)
            rows.append([name, sizes, f"{issued:,}", f"{true_bytes[0]:,}", f"{model_bytes[0]:,}", shown(found[0]),
                         f"{true_bytes[1]:,}", f"{model_bytes[1]:,}", shown(found[1])])
            print("  ".join(rows[-1]), flush=True)
    def spread(values):
        sizes = sorted(abs(v) for v in values)
        return f"median {100 * sizes[len(sizes) // 2]:.1f} %, largest {100 * sizes[-1]:.1f} %"

    summary = f"{len(errors)} figures compared. Error: {spread(e for e, _ in errors)}. " \
              f"Difference as a share of issued bytes: {spread(d for _, d in errors)}."
    print(summary)
    if options.markdown:
        head = ["model", "caches", "issued B", "past L1: simulated", "modelled", "error", "past L2: simulated",
                "modelled", "error"]
        lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        pathlib.Path(options.markdown).write_text("\n".join(lines) + "\n\n" + summary + "\n")


if __name__ == "__main__":
    main()
