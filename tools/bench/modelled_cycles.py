#!/usr/bin/env python3
"""Modelled cycles of an inference on ARM cores: LeNet-5, DS-CNN, ResNet-18 on 64 × 64 pixels, LSTM cells.

  modelled_cycles.py [--tally build/pi64/tally] [--isa neon64] [--models lenet5,dscnn_kws] [--core cortex-a53]...

Every figure is of the kind `model`: what was executed is counted in an emulator (QEMU with tools/qemu/plugin.c), what a core
would take for it is llvm-mca's word (tools/qemu/modelled_cycles.py says how, and what that leaves out). ARM kernels are
tuned against these figures where no device is at hand; they are not timings.

A model's line: instructions and fp32 FMA lanes of one inference (of an LSTM: one time step), and by core the cycles and
what share of them the FMA lanes alone would take at the core's peak. Below it, the inner loops of the matrix, convolution and
recurrent kernels: their share of that peak. Models come from tools/training/make_bench_models.py, which needs python3-onnx.

Exit: 0; 1 where a program failed; 4 where a tool is missing (llvm-19, qemu-user, the plugin).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/qemu"))

import classify  # noqa: E402
import counts_file  # noqa: E402
import judge  # noqa: E402
import modelled_cycles  # noqa: E402

STEPS = 16  # of the LSTM models
MODELS = {"lenet5": 1, "dscnn_kws": 1, "resnet18_64": 1, "lstm_1_8": STEPS, "lstm_1_64": STEPS, "lstm_256_256": STEPS}
LOOPS_WITHIN = 0.05  # of a model's cycles: smaller inner loops are left out

ODDITIES = """\
Known of the models (LLVM 19): all loads hit L1 and no branch is mispredicted. cortex-a53: results are written back in order,
so that a load or an addition behind a multiply-add waits some 5 cycles, which the core itself does not show: pessimistic.
cortex-a55: two 128-bit multiply-adds a cycle, the core has one: optimistic, and its shares of peak are half of what they
seem. cortex-a72: one 128-bit multiply-add a cycle, the core has two 64-bit pipes. neoverse-n1 stands in for Cortex-A76."""


def model_file(name, folder):
    if name == "lenet5":
        return ROOT / "tools/models/lenet5_fashion.onnx"
    path = pathlib.Path(folder) / f"{name}.onnx"
    if not path.exists():
        done = subprocess.run([sys.executable, str(ROOT / "tools/training/make_bench_models.py"), str(folder), name],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise modelled_cycles.Failed(f"make_bench_models.py {name}: {done.stderr[-1000:]}")
    return path


def inner_loops(core, least):
    """{function: share of peak} of the loops that take most of each function's cycles, and `least` of them all."""
    best = {}
    for row in core["inner_loops"]:
        cycles = row["executions"] * row["cycles"]
        name = modelled_cycles.short(row["function"])
        if cycles >= least * core["cycles"] and row["share_of_peak"] and cycles > best.get(name, (0, 0))[0]:
            best[name] = (cycles, row["share_of_peak"])
    return {name: share for name, (_, share) in best.items()}


def rows_of(results):
    for name, steps, result in results:
        row = {"model": name, "per": "step" if steps > 1 else "inference",
               "instructions": round(result["instructions"] / steps),
               "fp32_fma_lanes": round(result["fp32_fma_lanes"] / steps), "source": "model", "cores": {}}
        for core in result["cores"]:
            row["cores"][core["core"]] = {"cycles": round(core["cycles"] / steps),
                                          "share_of_fma_bound": core["share_of_peak"],
                                          "inner_loops": inner_loops(core, LOOPS_WITHIN)}
        yield row


def markdown(rows, isa):
    cores = list(rows[0]["cores"])
    yield f"Instruction set {isa}; cycles and shares are of the kind `model`."
    yield ""
    yield "| | instructions | FMA lanes | " + " | ".join(f"{core} cycles | of bound" for core in cores) + " |"
    yield "|---" * (3 + 2 * len(cores)) + "|"
    for row in rows:
        cells = [f"{of['cycles']:,} | {of['share_of_fma_bound'] or 0:.2f}" for of in row["cores"].values()]
        yield (f"| {row['model']}{', a step' if row['per'] == 'step' else ''} | {row['instructions']:,} | "
               f"{row['fp32_fma_lanes']:,} | " + " | ".join(cells) + " |")
    yield ""
    yield "Inner loops, share of the FMA peak:"
    yield ""
    yield "| | loop of | " + " | ".join(cores) + " |"
    yield "|---" * (2 + len(cores)) + "|"
    for row in rows:
        for name in dict.fromkeys(name for of in row["cores"].values() for name in of["inner_loops"]):
            cells = [f"{of['inner_loops'][name]:.2f}" if name in of["inner_loops"] else "–" for of in row["cores"].values()]
            yield f"| {row['model']} | {name} | " + " | ".join(cells) + " |"
    yield ""
    yield ODDITIES


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tally", default=str(ROOT / "build/pi64/tally"), help="the program, built for AArch64")
    parser.add_argument("--isa", default="neon64")
    parser.add_argument("--models", default=",".join(MODELS), help="by name, separated by commas (default: all)")
    parser.add_argument("--folder", help="where generated models lie or are put (default: a temporary one)")
    parser.add_argument("--format", choices=("md", "json"), default="md")
    modelled_cycles.add_options(parser)
    options = parser.parse_args(arguments)
    options.models = options.models.split(",")
    for name in options.models:
        if name not in MODELS:
            parser.error(f"--models: '{name}' must be one of {', '.join(MODELS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="tally_modelled_") as scratch:
        results = []
        try:
            for name in options.models:
                model = model_file(name, options.folder or scratch)
                program = [options.tally, "run", str(model), "--seed", "1", "--isa", options.isa, "--mark", "-o", scratch]
                print(f"{name} …", file=sys.stderr)
                results.append((name, MODELS[name], modelled_cycles.measured(program, options, scratch)))
        except judge.Missing as error:
            print(f"modelled_cycles.py: {error}", file=sys.stderr)
            return 4
        except (modelled_cycles.Failed, classify.ClassifyError, counts_file.CountsError, OSError, ValueError) as error:
            print(f"modelled_cycles.py: {error}", file=sys.stderr)
            return 1
    rows = list(rows_of(results))
    if options.format == "json":
        json.dump({"schema": "tally.modelled-models/1", "isa": options.isa, "rows": rows}, sys.stdout, indent=1)
        print()
    else:
        print("\n".join(markdown(rows, options.isa)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
