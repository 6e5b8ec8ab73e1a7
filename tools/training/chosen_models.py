"""The command line of scripts that write models: SCRIPT OUT [NAME]..., --list."""

import argparse
import pathlib


def write_chosen(description, models, write):
    """Calls write(name, models[name](), file) for each NAME (all without), file being OUT/NAME.onnx."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", nargs="?", type=pathlib.Path, help="output folder")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all)")
    parser.add_argument("--list", action="store_true", help="list the models and stop")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(models))
        return
    if arguments.out is None:
        parser.error("an output folder is needed")
    unknown = set(arguments.names) - set(models)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or models:
        write(name, models[name](), arguments.out / f"{name}.onnx")
