#!/usr/bin/env python3
"""Whole models and kernel sweeps before the outside judge (tools/qemu/judge.py): claimed counts equal the emulator's.

  judge_models.py --tally PROGRAM --sweep TEST_PROGRAM [--arch aarch64 --sysroot DIR] [--isa NAME]... [--native]
                  [--made-by COMMAND] MODEL...

For every ISA: the kernel sweeps of TEST_PROGRAM (lanes of each call) and one inference of every MODEL (lanes, and bytes
in registered buffers); of --streamed models every time step. --made-by: `COMMAND FOLDER` writes more models there. --native single-steps on this CPU instead,
for ISAs that no emulator runs; sweeps are then limited to the cases named by --cases. Exit: 0 all equal, 1 a difference,
77 where this build or this machine cannot be judged (printed as skipped; --obstacle says so beforehand).
"""

import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

JUDGE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "qemu" / "judge.py"
KERNEL_CASES = ("*gemm*,*recurrent*,*dot*,*attention*,*pixel_conv*,*depthwise*,*pool*,*softmax*,"
                "unary,binary,channel_affine")


def judge(options, isa, program, memory):
    command = [sys.executable, "-B", str(JUDGE)]
    if options.native:
        command.append("--native")
    else:
        command += ["--arch", options.arch, "--cpu", options.cpu]
        if options.sysroot:
            command += ["--sysroot", options.sysroot]
        if not memory:
            command.append("--no-memory")
    # The judge follows one thread: OpenMP must start no others.
    environment = {**os.environ, "TALLY_JUDGE_ISA": isa, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--", *program], env=environment, capture_output=True, text=True)
    tail = "\n".join(done.stdout.strip().splitlines()[-12:])
    print(f"-- {isa}: {' '.join(program[1:])}\n{tail}\n{done.stderr.strip()}", flush=True)
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tally")
    parser.add_argument("--sweep")
    parser.add_argument("--cases", default=KERNEL_CASES)
    parser.add_argument("--arch", default="x86_64")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--sysroot")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--isa", action="append", default=[])
    parser.add_argument("--made-by")
    parser.add_argument("--streamed", action="append", default=[], metavar="MODEL", help="judged step by step")
    parser.add_argument("--obstacle")
    parser.add_argument("models", nargs="*")
    options = parser.parse_args()
    if options.obstacle:
        print(f"skipped: {options.obstacle}")
        return 77
    codes = []
    with tempfile.TemporaryDirectory() as folder:
        models = list(options.models)
        if options.made_by:
            subprocess.run([*shlex.split(options.made_by), folder], check=True)
            models += sorted(map(str, pathlib.Path(folder).glob("*.onnx")))
        for isa in options.isa:
            if options.sweep:
                codes.append(judge(options, isa, [options.sweep, f"-tc={options.cases}"], memory=False))
            for model in models:
                program = [options.tally, "run", model, "--seed", "1", "--isa", isa, "--mark", "--quiet"]
                codes.append(judge(options, isa, program, memory=True))
            for model in options.streamed:
                program = [options.tally, "run", model, "--seed", "1", "--isa", isa, "--mark", "--quiet", "--stream"]
                codes.append(judge(options, isa, program, memory=True))
    if any(code not in (0, 4) for code in codes):
        return 1
    if 4 in codes:
        print("skipped: the emulator, the stepper or an instruction set is missing here")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
