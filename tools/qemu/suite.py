#!/usr/bin/env python3
"""Kernel sweeps and whole models before an outside judge (judge.py): claimed counts equal what was executed.

  suite.py --tally PROGRAM --sweep TEST_PROGRAM [--arch aarch64 --sysroot DIR] --isa NAME... [--made-by COMMAND] MODEL...

For every ISA: the kernel sweeps of TEST_PROGRAM (lanes of each call, bytes where a call names its operands) and one
inference of every MODEL (lanes, and bytes in registered buffers), whose counts must also be those that `tally profile`
prints; of --streamed models every time step. --made-by: `COMMAND FOLDER` writes more models there. --observer native
single-steps on this CPU, for ISAs that no emulator runs; --observer callgrind lets valgrind count (sums, no bytes).
--cases limits the sweeps. --json FILE keeps the figures for page.py. Exit: 0 all equal, 1 a difference, 77 where this
build or this machine cannot be judged (printed as skipped; --obstacle says so beforehand).
"""

import argparse
import collections
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import report

JUDGE = pathlib.Path(__file__).resolve().parent / "judge.py"
KERNEL_CASES = ("*gemm*,*recurrent*,*dot*,*attention*,*pixel_conv*,*depthwise*,*pool*,*softmax*,*reduce*,*row_norm*,"
                "*lrn*,copy_nd*,unary,binary*,channel_affine*,functions at every length*")


def judged(options, isa, program, memory):
    """(exit code, result) of judge.py."""
    command = [sys.executable, "-B", str(JUDGE), "--format", "json", "--quiet"]
    if options.observer == "qemu":
        command += ["--arch", options.arch, "--cpu", options.cpu]
        if options.sysroot:
            command += ["--sysroot", options.sysroot]
        if not memory:
            command.append("--no-memory")
    else:
        command.append("--" + options.observer)
    # The judge follows one thread: OpenMP must start no others.
    environment = {**os.environ, "TALLY_JUDGE_ISA": isa, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--buffers", "--", *program], env=environment, capture_output=True, text=True)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        result = None
    if result:
        for line in (*report.table([row for row in result["sections"] if not row["equal"]][:20], False),
                     *report.summary(result)):
            print(line)
    print(done.stderr.strip()[-4000:], flush=True)
    return done.returncode, result


def profiled(options, isa, model):
    """The executed counts that `tally profile` prints."""
    emulator = []
    if options.arch != "x86_64":
        emulator = [f"qemu-{options.arch}", "-cpu", options.cpu, *(["-L", options.sysroot] if options.sysroot else [])]
    done = subprocess.run([*emulator, options.tally, "profile", model, "--seed", "1", "--isa", isa, "--repeats", "1",
                           "--threads", "1", "--format", "json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"profile: exit code {done.returncode}\n{done.stderr}")
        return None
    return json.loads(done.stdout)["totals"]["executed"]


def sums_by_case(sections):
    """Claimed and judged sums of each test case of a sweep."""
    cases = collections.OrderedDict()
    for row in sections:
        case = cases.setdefault(row["name"], {"name": row["name"], "sections": 0, "differ": 0, "quantities": {}})
        case["sections"] += 1
        case["differ"] += not row["equal"]
        for q in row["quantities"]:
            if q["verdict"] in ("equal", "differs"):
                total = case["quantities"].setdefault(q["quantity"], {"claimed": 0, "judged": 0})
                total["claimed"] += q["claimed"]
                total["judged"] += q["judged"]
    return list(cases.values())


class Suite:
    def __init__(self, options):
        self.options = options
        self.codes = []
        self.rows = []

    def judge(self, isa, name, program, memory):
        print(f"-- {self.options.observer}, {isa}: {name}", flush=True)
        started = time.monotonic()
        code, result = judged(self.options, isa, program, memory)
        self.codes.append(code)
        row = {"observer": self.options.observer, "target": self.options.arch, "isa": isa, "name": name, "code": code,
               "seconds": round(time.monotonic() - started)}
        if result:
            self.rows.append(row)
        return row, result

    def sweep(self, isa):
        row, result = self.judge(isa, "sweep", [self.options.sweep, f"-tc={self.options.cases}"], memory=True)
        if result:
            row["kind"] = "sweep"
            row["cases"] = sums_by_case(result["sections"])

    def model(self, isa, model, stream):
        program = [self.options.tally, "run", model, "--seed", "1", "--isa", isa, "--mark", "--quiet"]
        name = pathlib.Path(model).stem + (", step by step" if stream else "")
        row, result = self.judge(isa, name, program + (["--stream"] if stream else []), memory=True)
        if not result:
            return
        row["kind"] = "model"
        row["cases"] = sums_by_case([{**section, "name": name} for section in result["sections"]])
        kinds = collections.Counter()
        for section in result["sections"]:
            for buffer in section.get("buffers", []):
                kinds[buffer.get("kind", "other"), "loaded"] += buffer["loaded"]
                kinds[buffer.get("kind", "other"), "stored"] += buffer["stored"]
        row["bytes_by_kind"] = {f"{kind} {way}": count for (kind, way), count in sorted(kinds.items())}
        row["outside_buffers"] = [section["outside_buffers"] for section in result["sections"]]
        if not stream:
            self.compare_with_profile(row, isa, model)

    def compare_with_profile(self, row, isa, model):
        executed = profiled(self.options, isa, model)
        claimed = {name: q["claimed"] for name, q in row["cases"][0]["quantities"].items()}
        if executed:
            claims = {"lanes": executed["lane_macs"] + executed["lane_fma_other"],
                      **{name: executed[name] for name in ("bytes_loaded", "bytes_stored")}}
            row["profile"] = {name: claims[name] for name in claimed if name in claims}
        if not executed or any(row["profile"][name] != claimed[name] for name in row["profile"]):
            print(f"profile differs: {row.get('profile')} | claimed {claimed}")
            row["code"] = 1
            self.codes.append(1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tally")
    parser.add_argument("--sweep")
    parser.add_argument("--cases", default=KERNEL_CASES)
    parser.add_argument("--arch", default="x86_64")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--sysroot")
    parser.add_argument("--observer", choices=("qemu", "native", "callgrind"), default="qemu")
    parser.add_argument("--isa", action="append", default=[])
    parser.add_argument("--made-by")
    parser.add_argument("--streamed", action="append", default=[], metavar="MODEL", help="judged step by step")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--obstacle")
    parser.add_argument("models", nargs="*")
    return parser.parse_args()


def main():
    options = parse()
    if options.obstacle:
        print(f"skipped: {options.obstacle}")
        return 77
    suite = Suite(options)
    with tempfile.TemporaryDirectory() as folder:
        models = list(options.models)
        if options.made_by:
            program, *arguments = shlex.split(options.made_by)
            subprocess.run([program, *arguments, folder], check=True)
            models += sorted(map(str, pathlib.Path(folder).glob("*.onnx")))
        for isa in options.isa:
            if options.sweep:
                suite.sweep(isa)
            for model in models:
                suite.model(isa, model, stream=False)
            for model in options.streamed:
                suite.model(isa, model, stream=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(suite.rows, indent=1), encoding="utf-8")
    if any(code not in (0, 4) for code in suite.codes):
        return 1
    if 4 in suite.codes:
        print("skipped: the observer or an instruction set is missing here")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
