#!/usr/bin/env python3
"""Modelled cycles of what ran on AArch64: executed counts from the emulator, cycles from llvm-mca's models of cores.

  modelled_cycles.py [--core cortex-a72]... [--sysroot DIR] -- PROGRAM [ARGUMENT]...
  modelled_cycles.py --core cortex-a53 -- build/pi64/tally run MODEL --seed 1 --isa neon64 --mark

Runs PROGRAM under QEMU with the counting plugin (tools/qemu/plugin.c). Instructions that executed equally often and follow
each other, up to a branch, are a block; llvm-mca (19 or newer; older ones model Neoverse N1 as a Cortex-A57) says what an
iteration of the block takes in a steady state, and the section's cycles are the sum of executions × cycles.

What this is: a model, marked so. All loads hit L1; branches are predicted; a block that runs once is taken as if it ran
again and again, so that nothing overlaps across blocks and nothing is cold. LLVM's scheduling models have oddities of
their own: the Cortex-A53 one is pessimistic, the A55 one optimistic (see --help of llvm-mca for what it leaves out).
The share of the FMA peak is measured with the same model: 24 independent `fmla v.4s` give the core's lanes a cycle.
Neoverse N1 stands in for the Cortex-A76, whose pipeline it shares.

Exit: 0; 1 where the program, the emulator or llvm-mca failed; 4 where a tool is missing.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import classify
import counts_file
import judge
import lanes

CORES = ("cortex-a53", "cortex-a55", "cortex-a72", "neoverse-n1")
ITERATIONS = 100
PACKAGES = {"llvm-mca-19": "llvm-19", "llvm-mc-19": "llvm-19", "qemu-aarch64": "qemu-user"}
BRANCH = re.compile(r"^(?:b|bl|br|blr|ret|b\..*|cbn?z|tbn?z|svc)\b")
# System registers, barriers and thread pointers are outside a throughput model; in a section they run a few times.
UNMODELLED = re.compile(r"^(?:mrs|msr|svc|dmb|dsb|isb|hint|udf|ldxr|stxr|ldaxr|stlxr|dc|prfm|nop|yield|clrex)\b")


class Failed(Exception):
    """Nothing can be modelled; the message says why."""


def tool(names, option):
    """The first of the programs that is installed."""
    for name in [option] if option else names:
        found = shutil.which(name)
        if found:
            return found
    raise judge.Missing(f"skipped, {option or names[0]} not found (Debian: {PACKAGES.get(names[0], names[0])})")


def blocks_of(section, texts):
    """[(addresses, executions)]: runs of adjacent instructions with equal counts, cut behind branches."""
    blocks = []
    current, count, last = [], 0, None
    for address in sorted(section.executed, key=lambda a: int(a, 16)):
        executed, place = section.executed[address], int(address, 16)
        if current and (executed != count or place != last + 4 or BRANCH.match(texts[current[-1]])):
            blocks.append((current, count))
            current = []
        current.append(address)
        count, last = executed, place
    if current:
        blocks.append((current, count))
    return blocks


def disassembled(code, mc):
    """{address: text in LLVM's syntax} of machine code {address: bytes}."""
    lines = " ".join(f"0x{byte:02x}" for machine in code.values() for byte in machine[:4])
    done = subprocess.run([mc, "--disassemble", "-triple=aarch64", "-mattr=+all"], input=lines, capture_output=True,
                          text=True)
    texts = [line.strip().replace("\t", " ") for line in done.stdout.splitlines()
             if line.strip() and not line.strip().startswith(".")]
    if done.returncode != 0 or len(texts) != len(code):
        raise Failed(f"llvm-mc: {len(texts)} instructions of {len(code)}\n{done.stderr[:2000]}")
    return dict(zip(code, texts))


def cycles_of(bodies, core, mca):
    """Cycles of one steady iteration of each body, a list of instruction texts."""
    regions = []
    for index, body in enumerate(bodies):
        regions.append(f"# LLVM-MCA-BEGIN {index}\n" + "\n".join(body) + f"\n# LLVM-MCA-END {index}\n")
    done = subprocess.run([mca, "-mtriple=aarch64", f"-mcpu={core}", "-mattr=+fullfp16,+dotprod,+i8mm,+fp16fml",
                           f"-iterations={ITERATIONS}", "-json", "-instruction-info=0", "-resource-pressure=0"],
                          input="".join(regions), capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"llvm-mca for {core}: {done.stderr[:2000]}")
    found = {int(region["Name"]): region["SummaryView"]["TotalCycles"] / ITERATIONS
             for region in json.loads(done.stdout)["CodeRegions"]}
    if len(found) != len(bodies):
        raise Failed(f"llvm-mca for {core}: {len(found)} blocks of {len(bodies)}")
    return [found[index] for index in range(len(bodies))]


def peak_lanes(core, mca):
    """fp32 FMA lanes a cycle of independent 128-bit multiply-adds."""
    body = [f"fmla v{n}.4s, v30.4s, v31.4s" for n in range(24)]
    return 4 * len(body) / cycles_of([body], core, mca)[0]


def fma_lanes(text):
    kind, count, _ = lanes.aarch64(text)
    return count if kind == "fp32_fma" else 0


def llvm_tools(options):
    """(llvm-mc, llvm-mca). Newer versions than 19 would do; older ones model Neoverse N1 as a Cortex-A57."""
    return (tool(["llvm-mc-19", "llvm-mc-20", "llvm-mc-21"], options.llvm_mc),
            tool(["llvm-mca-19", "llvm-mca-20", "llvm-mca-21"], options.llvm_mca))


def modelled(counts, functions_of, options):
    header = counts_file.read_header(counts)
    section = collections.Counter()
    sections = 0
    for one in counts_file.read_sections(counts):
        section.update(one.executed)
        sections += 1
    whole = counts_file.Section(0, executed=dict(section))
    texts = classify.disassemble(header.code, "aarch64", options.objdump)
    mc, mca = llvm_tools(options)
    llvm = disassembled({a: header.code[a] for a in whole.executed}, mc)
    blocks = blocks_of(whole, texts)
    bodies = [[llvm[a] for a in addresses if not UNMODELLED.match(texts[a])] for addresses, _ in blocks]
    kept = [k for k, body in enumerate(bodies) if body]
    result = {"schema": "tally.modelled-cycles/1", "source": "model", "sections": sections, "cores": []}
    result["instructions"] = sum(len(addresses) * count for addresses, count in blocks)
    result["fp32_fma_lanes"] = sum(count * sum(fma_lanes(texts[a]) for a in addresses) for addresses, count in blocks)
    for core in options.core or CORES:
        found = dict(zip(kept, cycles_of([bodies[k] for k in kept], core, mca)))
        peak = peak_lanes(core, mca)
        functions = collections.defaultdict(lambda: [0.0, 0, 0])
        rows = []
        for k, (addresses, count) in enumerate(blocks):
            lanes_here = sum(fma_lanes(texts[a]) for a in addresses)
            name = functions_of.name(int(addresses[0], 16)) if functions_of else "?"
            total = found.get(k, 0.0) * count
            entry = functions[name]
            entry[0] += total
            entry[1] += count * lanes_here
            entry[2] += count * len(addresses)
            if lanes_here:
                rows.append({"address": addresses[0], "function": name, "executions": count, "instructions": len(addresses),
                             "lanes": lanes_here, "cycles": found.get(k, 0.0),
                             "share_of_peak": lanes_here / (found[k] * peak) if found.get(k) else None})
        cycles = sum(entry[0] for entry in functions.values())
        rows.sort(key=lambda row: -row["executions"] * row["cycles"])
        result["cores"].append({
            "core": core, "cycles": cycles, "peak_lanes_per_cycle": peak,
            "bound_cycles": result["fp32_fma_lanes"] / peak,
            "share_of_peak": result["fp32_fma_lanes"] / peak / cycles if cycles else None,
            "functions": [{"function": name, "cycles": entry[0], "lanes": entry[1], "instructions": entry[2]}
                          for name, entry in sorted(functions.items(), key=lambda item: -item[1][0])],
            "inner_loops": rows})
    return result


def short(name):
    """A function's name without its arguments and the house's namespaces."""
    name = re.sub(r"\(.*", "", name)
    name = re.sub(r"<.*", "", name)
    return name.split("::")[-1] or name


def table(result, loops):
    yield (f"{result['instructions']:,} instructions, {result['fp32_fma_lanes']:,} fp32 FMA lanes in "
           f"{result['sections']} section(s); cycles: model (llvm-mca), L1-resident")
    yield ""
    yield f"{'core':12} {'cycles':>12} {'FMA bound':>12} {'share':>6} {'lanes/cycle':>12} {'instr/cycle':>12}"
    for core in result["cores"]:
        cycles = core["cycles"] or 1
        yield (f"{core['core']:12} {core['cycles']:12,.0f} {core['bound_cycles']:12,.0f} {core['share_of_peak'] or 0:6.2f} "
               f"{result['fp32_fma_lanes'] / cycles:12.2f} {result['instructions'] / cycles:12.2f}")
    for core in result["cores"]:
        yield ""
        yield (f"{core['core']}: inner loops by modelled cycles (peak {core['peak_lanes_per_cycle']:.1f} lanes a cycle)")
        yield f"  {'function':34} {'executed':>10} {'instr':>6} {'lanes':>6} {'cycles':>8} {'of peak':>8}"
        for row in core["inner_loops"][:loops]:
            yield (f"  {short(row['function'])[:34]:34} {row['executions']:10,} {row['instructions']:6} {row['lanes']:6} "
                   f"{row['cycles']:8.2f} {row['share_of_peak'] or 0:8.2f}")


def measured(program, options, scratch):
    """The result of one run of `program`, a command line, under the emulator."""
    llvm_tools(options)  # rather than miss them after a long run
    emulator = tool(["qemu-aarch64"], None)
    plugin = judge.find_built(options.plugin, "TALLY_QEMU_PLUGIN", "libtally_qemu_plugin.so")
    counts, claims = os.path.join(scratch, "counts.txt"), os.path.join(scratch, "claims.jsonl")
    command = [emulator, "-cpu", options.cpu, "-L", options.sysroot, "-plugin", f"{plugin},out={counts},memory=off",
               *program, "--claims", claims]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode} of {' '.join(command)}\n{done.stderr[-2000:]}")
    with open(claims, encoding="utf-8") as file:
        anchor = json.loads(file.readline()).get("anchor")
    return modelled(counts, classify.Functions(program[0], anchor), options)


def add_options(parser):
    """What every tool that models cycles takes."""
    parser.add_argument("--core", action="append", help=f"llvm's name of a core (default: {', '.join(CORES)})")
    parser.add_argument("--cpu", default="max", help="the emulator's CPU model")
    parser.add_argument("--sysroot", default="/usr/aarch64-linux-gnu")
    parser.add_argument("--plugin", help="default: $TALLY_QEMU_PLUGIN, else the newest under build/")
    parser.add_argument("--objdump")
    parser.add_argument("--llvm-mc")
    parser.add_argument("--llvm-mca")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--loops", type=int, default=6, help="inner loops a core that the table shows")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("program", nargs="+", metavar="-- PROGRAM [ARGUMENT]")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="tally_cycles_") as scratch:
        try:
            result = measured(options.program, options, scratch)
        except judge.Missing as error:
            print(f"modelled_cycles.py: {error}", file=sys.stderr)
            return 4
        except (Failed, classify.ClassifyError, counts_file.CountsError, OSError, ValueError) as error:
            print(f"modelled_cycles.py: {error}", file=sys.stderr)
            return 1
    if options.format == "json":
        json.dump(result, sys.stdout, indent=1)
        print()
    else:
        for line in table(result, options.loops):
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
