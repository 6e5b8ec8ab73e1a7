#!/usr/bin/env python3
"""Compares what a program claims to have executed with what an outside observer counted.

  judge.py --arch x86_64 [--cpu max] -- PROGRAM [ARGUMENT]...
  judge.py --arch aarch64 --sysroot /usr/aarch64-linux-gnu -- PROGRAM [ARGUMENT]...
  judge.py --native -- PROGRAM [ARGUMENT]...
  judge.py --callgrind -- PROGRAM [ARGUMENT]...

Runs PROGRAM under QEMU with the counting plugin, natively under the single-stepper, or under valgrind's callgrind (which
judges the sum of all sections), adding `--claims FILE` to its arguments. The program writes FILE as JSON lines, one object per marked section, in order:

  {"section": K, "name": str, "isa": str, "lane_macs": int, "lane_fma_other": int, "int8_macs": int,
   "bytes_loaded": int | null, "bytes_stored": int | null,
   "buffers": [{"name": str, "kind": str, "address": int, "bytes": int}], "anchor": {"symbol": str, "address": int}}

Compared, each as integers:
  fp32 lanes   lane_macs + lane_fma_other = fp32 FMA lanes; on the ISAs without FMA (scalar, sse2) fp32 multiply lanes
  integer MACs int8_macs = dot-product and widening-multiply MACs (not on `scalar`, where they cannot be told from addresses)
  bytes        bytes_loaded, bytes_stored = bytes in the registered buffers, by lines of 64 bytes (QEMU only)
A claim that is null or absent is not compared; the summary says how many sections each quantity was judged in.
`int8_pairs` may claim vpmaddubsw's MACs; unclaimed, executing any is a difference.

Exit: 0 all equal; 1 a difference, or the program or its counts failed; 2 usage; 4 the emulator, plugin or stepper is
missing, or the machine lacks the ISA (the program exited with 4). Python's standard library only.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import callgrind
import classify
import counts_file
import report

ISAS_WITHOUT_FMA = {"scalar", "sse2"}
HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """The machine cannot judge: exit code 4."""


class Failed(Exception):
    """There is nothing to compare: exit code 1."""


def find_built(option, variable, name):
    """A tool of ours: the option, else the environment, else the newest one built in this source tree."""
    given = option or os.environ.get(variable)
    if given:
        if not os.path.exists(given):
            raise Missing(f"{given} does not exist")
        return os.path.abspath(given)
    built = sorted(HERE.parents[1].glob(f"build/*/tools/qemu/{name}"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise Missing(f"{name} is not built; give its path by option or {variable}")
    return str(built[-1])


def command_line(options, counts, claims):
    """The program under its observer."""
    program = [*options.program, "--claims", claims]
    if options.callgrind:
        valgrind = shutil.which("valgrind")
        if not valgrind:
            raise Missing("valgrind is not installed")
        return callgrind.command_line(valgrind, counts + ".callgrind", program)
    if options.native:
        return [find_built(options.stepper, "TALLY_SINGLE_STEP", "tally_single_step"), counts, *program]
    emulator = shutil.which(options.emulator or f"qemu-{options.arch}")
    if not emulator:
        raise Missing(f"emulator {options.emulator or 'qemu-' + options.arch} is not installed")
    plugin = find_built(options.plugin, "TALLY_QEMU_PLUGIN", "libtally_qemu_plugin.so")
    command = [emulator]
    if options.cpu:
        command += ["-cpu", options.cpu]
    if options.sysroot:
        command += ["-L", options.sysroot]
    memory = ",memory=off" if options.no_memory else ""
    return [*command, "-plugin", f"{plugin},out={counts}{memory}", *program]


def run(options, counts, claims):
    """Runs the program, its output to our stderr so that stdout stays ours."""
    command = command_line(options, counts, claims)
    sys.stdout.flush()
    output = subprocess.DEVNULL if options.quiet else sys.stderr.fileno()
    if options.callgrind:
        if callgrind.run(command, output) == 4:
            raise Missing("the program says that this machine lacks something (exit code 4)")
        callgrind.write_counts(counts + ".callgrind", counts)
        return
    done = subprocess.run(command, stdout=output, check=False)
    if done.returncode == 4:
        raise Missing("the program says that this machine lacks something (exit code 4)")
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode} of {' '.join(command)}")


def read_claims(path):
    try:
        with open(path, encoding="utf-8") as file:
            claims = [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError) as error:
        raise Failed(f"claims: {error}") from None
    for index, claim in enumerate(claims):
        for field in ("section", "name", "isa", "lane_macs", "lane_fma_other"):
            if field not in claim:
                raise Failed(f"claims: object {index} lacks '{field}'")
        if claim["section"] - claims[0]["section"] != index:
            raise Failed(f"claims: object {index} is of section {claim['section']}, out of order")
    return claims


def sum_of_claims(claims):
    """All sections as one, for an observer that cannot tell them apart. Their bytes and buffers are left out."""
    if len({claim["isa"] for claim in claims}) != 1:
        raise Failed("claims: sections of several ISAs cannot be judged together")
    total = {"section": claims[0]["section"], "name": f"all {len(claims)} sections" if len(claims) > 1 else claims[0]["name"],
             "isa": claims[0]["isa"], "anchor": claims[0].get("anchor")}
    for field in ("lane_macs", "lane_fma_other", "int8_macs", "int8_pairs"):
        total[field] = sum(claim.get(field) or 0 for claim in claims)
    return [total]


def quantity(name, claimed, judged):
    verdict = "unclaimed" if claimed is None else "unjudged" if judged is None else \
        "equal" if claimed == judged else "differs"
    return {"quantity": name, "claimed": claimed, "judged": judged, "verdict": verdict}


def judge_section(claim, section, classifier, header, with_memory):
    """One row: the compared quantities and what was seen besides."""
    totals = classifier.totals(section)
    no_fma = claim["isa"] in ISAS_WITHOUT_FMA
    row = {"section": section.number, "name": claim["name"], "isa": claim["isa"], "executed": totals, "notes": []}
    row["quantities"] = [
        quantity("lanes", claim["lane_macs"] + claim["lane_fma_other"], totals.get("fp32_mul" if no_fma else "fp32_fma", 0)),
        quantity("int_macs", claim.get("int8_macs"), None if claim["isa"] == "scalar" else totals.get("int_mac", 0)),
    ]
    if totals.get("int_pairs") or claim.get("int8_pairs"):
        row["quantities"].append(quantity("int_pairs", claim.get("int8_pairs") or 0, totals.get("int_pairs", 0)))
    if no_fma and totals.get("fp32_fma"):
        row["quantities"].append(quantity("fma_lanes_on_" + claim["isa"], 0, totals["fp32_fma"]))
    for kind in ("fp64_fma", "fp64_mul", "fp16_fma", "fp16_mul", "bf16_mac"):
        if totals.get(kind):
            row["notes"].append(f"{totals[kind]} {kind} lanes")
    if header.has_memory and with_memory:
        row["notes"] += [f"{n} {remark}" for remark, n in classifier.misreported_memory(section).items()]
    seen = classify.memory(section, claim.get("buffers", [])) if header.has_memory and with_memory else {}
    for name in ("bytes_loaded", "bytes_stored"):
        row["quantities"].append(quantity(name, claim.get(name), seen.get(name)))
    row["outside_buffers"] = seen.get("outside_buffers")
    row["equal"] = all(q["verdict"] != "differs" for q in row["quantities"])
    return row


def explain(row, claim, section, classifier, functions):
    """Where a difference may come from: the functions that executed lanes, the bytes of each buffer."""
    by_function = classifier.by_function(section, functions)
    row["functions"] = {name: dict(counts) for name, counts in
                        sorted(by_function.items(), key=lambda item: -item[1]["instructions"])}
    if any(q["verdict"] == "differs" and q["quantity"].startswith("bytes") for q in row["quantities"]):
        row["buffers"] = classify.memory_by_buffer(section, claim["buffers"])


def judge(options, counts, claims_path):
    claims = read_claims(claims_path)
    header = counts_file.read_header(counts)
    if header.producer == "callgrind" and claims:
        claims = sum_of_claims(claims)
    if header.sections != len(claims):
        raise Failed(f"{len(claims)} sections claimed, {header.sections} executed")
    if not claims:
        raise Failed("no section was marked")
    classifier = classify.Classifier(header, options.objdump)
    rows = []
    functions = None
    for claim, section in zip(claims, counts_file.read_sections(counts)):
        row = judge_section(claim, section, classifier, header, not options.no_memory)
        if options.functions or not row["equal"]:
            # Callgrind's addresses are the program's own, not those of the run.
            anchor = None if options.callgrind else claim.get("anchor")
            functions = functions or classify.Functions(options.program[0], anchor, unmoved=options.callgrind)
            explain(row, claim, section, classifier, functions)
        if options.buffers and row["outside_buffers"]:
            row["buffers"] = classify.memory_by_buffer(section, claim["buffers"])
        rows.append(row)
    return {"schema": "tally.judge/1", "target": header.target, "producer": header.producer, "threads": header.threads,
            "equal": all(row["equal"] for row in rows), "sections": rows}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(classify.MACHINES), default="x86_64")
    parser.add_argument("--native", action="store_true", help="single-step natively instead of emulating (x86-64 only)")
    parser.add_argument("--callgrind", action="store_true", help="judge by valgrind's callgrind (x86-64 only; no bytes)")
    parser.add_argument("--cpu", help="the emulator's CPU model (default: max on x86_64)")
    parser.add_argument("--sysroot", help="where the emulator finds the target's loader and libraries")
    parser.add_argument("--emulator", help="default: qemu-ARCH")
    parser.add_argument("--plugin", help="default: $TALLY_QEMU_PLUGIN, else the newest under build/")
    parser.add_argument("--stepper", help="default: $TALLY_SINGLE_STEP, else the newest under build/")
    parser.add_argument("--objdump", help="default: objdump, aarch64-linux-gnu-objdump")
    parser.add_argument("--no-memory", action="store_true", help="do not count bytes (faster)")
    parser.add_argument("--all", action="store_true", help="print every section, not only those that differ")
    parser.add_argument("--buffers", action="store_true", help="bytes by buffer for every section")
    parser.add_argument("--functions", action="store_true", help="lanes by function for every section")
    parser.add_argument("--format", choices=("table", "json", "md"), default="table")
    parser.add_argument("--keep", metavar="DIR", help="keep the counts and claims files there")
    parser.add_argument("--quiet", action="store_true", help="silence the program's stdout")
    parser.add_argument("program", nargs="+", metavar="-- PROGRAM [ARGUMENT]")
    options = parser.parse_args(arguments)
    if options.native and options.callgrind:
        parser.error("--native and --callgrind exclude each other")
    if (options.native or options.callgrind) and options.arch != "x86_64":
        parser.error("--native and --callgrind judge x86-64 only")
    if options.cpu is None and options.arch == "x86_64":
        options.cpu = "max"
    return options


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="tally_judge_") as scratch:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        folder = options.keep or scratch
        counts, claims = os.path.join(folder, "counts.txt"), os.path.join(folder, "claims.jsonl")
        try:
            run(options, counts, claims)
            result = judge(options, counts, claims)
        except Missing as error:
            print(f"judge.py: {error}", file=sys.stderr)
            return 4
        except (Failed, callgrind.CallgrindError, classify.ClassifyError, counts_file.CountsError, OSError) as error:
            print(f"judge.py: {error}", file=sys.stderr)
            return 1
    report.write(result, options.format, options.all or options.functions)
    return 0 if result["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
