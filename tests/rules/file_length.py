"""A file holds one idea: no source over 450 lines (the aim is 400); no line of C or C++ over 120 columns.

Usage: file_length.py ROOT
"""

import pathlib
import sys

MOST_LINES = 450
MOST_COLUMNS = 120
FOLDERS = ["engine", "layers", "platforms", "tools", "tests", "cmake", "toolchains", "scripts", ".ci"]
WIDTH_MATTERS = {".h", ".hpp", ".inc", ".c", ".cpp"}
TEXTS = {".h", ".hpp", ".inc", ".c", ".cpp", ".py", ".cmake", ".txt", ".sh", ""}
# A row of a list that CMake reads too is one line.
NOT_MEASURED = {"platforms/isa/list.inc"}


def sources(root):
    """(path below root, its lines) of every source."""
    root = pathlib.Path(root)
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and file.suffix in TEXTS and "__pycache__" not in file.parts:
                yield file.relative_to(root).as_posix(), file.read_bytes().splitlines()


def too_long(root):
    """Sources under `root` that are too long, as "path: lines"."""
    return [f"{path}: {len(lines)} lines, at most {MOST_LINES}"
            for path, lines in sources(root) if len(lines) > MOST_LINES]


def too_wide(root):
    """Lines that are too wide, as "path:line: columns". Tables between clang-format off and on keep their width."""
    found = []
    for path, lines in sources(root):
        by_hand = path in NOT_MEASURED or pathlib.PurePath(path).suffix not in WIDTH_MATTERS
        for number, line in enumerate(lines, 1):
            by_hand = (by_hand or b"clang-format off" in line) and b"clang-format on" not in line
            columns = len(line.decode("utf-8", "replace"))
            if columns > MOST_COLUMNS and not by_hand:
                found.append(f"{path}:{number}: {columns} columns, at most {MOST_COLUMNS}")
    return found


if __name__ == "__main__":
    problems = too_long(sys.argv[1]) + too_wide(sys.argv[1])
    print("\n".join(problems) or f"no source over {MOST_LINES} lines, no line of C or C++ over {MOST_COLUMNS} columns")
    sys.exit(1 if problems else 0)
