#!/usr/bin/env python3
"""Every CPU that the emulator plays gets the instruction set that it has, and none meets an instruction that it lacks.

  cpu_models_test.py TALLY SOURCE_DIR EMULATOR...
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TALLY, SOURCE, EMULATOR = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
MODEL = SOURCE / "tools/models/lenet5_fashion.onnx"
LADDER = ["scalar", "neon64", "neon64dot", "neon64fp16", "neon64i8mm"]  # each needs what those before it need, and more
# The emulator's name → the core's own name (None: none of those known), best instruction set.
CPUS = {
    "cortex-a53": ("Cortex-A53", "neon64"),
    "cortex-a72": ("Cortex-A72", "neon64"),
    "cortex-a76": ("Cortex-A76", "neon64dot"),
    "neoverse-n1": ("Neoverse-N1", "neon64dot"),
    "max": (None, "neon64i8mm"),
}


def run(cpu, *arguments):
    command = list(EMULATOR)
    command[command.index("-cpu") + 1] = cpu
    return subprocess.run([*command, TALLY, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def output_of(cpu, *arguments):
    """The bytes of the first output of one inference."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(cpu, "run", MODEL, "--seed", 1, "-o", folder, *arguments)
        if done.returncode != 0:
            raise AssertionError(f"{cpu} {arguments}: exit code {done.returncode}\n{done.stderr}")
        return (pathlib.Path(folder) / "output_0.npy").read_bytes()


class CpuModels(unittest.TestCase):
    def test_the_right_instruction_set_is_chosen(self):
        for cpu, (name, best) in CPUS.items():
            with self.subTest(cpu=cpu):
                done = run(cpu, "info", "--format", "json")
                self.assertEqual(done.returncode, 0, done.stderr)
                machine = json.loads(done.stdout)["machine"]
                self.assertEqual(machine["isas_usable"], LADDER[:LADDER.index(best) + 1])
                self.assertEqual(machine["chosen_isa"], best)
                if name:
                    self.assertEqual(machine["cpu"], name)

    def test_every_usable_one_runs_and_no_other(self):
        for cpu, (_, best) in CPUS.items():
            chosen = output_of(cpu)
            for isa in LADDER[1:]:
                with self.subTest(cpu=cpu, isa=isa):
                    if LADDER.index(isa) <= LADDER.index(best):
                        self.assertEqual(output_of(cpu, "--isa", isa), chosen)  # fp32 is the same on all of them
                    else:
                        done = run(cpu, "run", MODEL, "--seed", 1, "--isa", isa)
                        self.assertEqual(done.returncode, 4, done.stderr)

    def test_an_instruction_set_to_come_is_named(self):
        done = run("max", "run", MODEL, "--seed", 1, "--isa", "sve")
        self.assertEqual(done.returncode, 4)
        self.assertIn("sve", done.stderr)


if __name__ == "__main__":
    if "-cpu" not in EMULATOR or "aarch64" not in EMULATOR[0]:
        print("skipped: needs a 64-bit ARM build and an emulator that takes -cpu")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
