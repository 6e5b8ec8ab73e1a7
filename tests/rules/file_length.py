"""A file holds one idea: no source over 450 lines (the aim is 400). Usage: file_length.py ROOT"""

import pathlib
import sys

MOST_LINES = 450
FOLDERS = ["engine", "layers", "platforms", "tools", "tests", "cmake", "toolchains", "scripts", ".ci"]
TEXTS = {".h", ".hpp", ".inc", ".c", ".cpp", ".py", ".cmake", ".txt", ".sh", ""}


def too_long(root):
    """Sources under `root` that are too long, as "path: lines"."""
    root = pathlib.Path(root)
    found = []
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if not file.is_file() or file.suffix not in TEXTS or "__pycache__" in file.parts:
                continue
            lines = len(file.read_bytes().splitlines())
            if lines > MOST_LINES:
                found.append(f"{file.relative_to(root).as_posix()}: {lines} lines, at most {MOST_LINES}")
    return found


if __name__ == "__main__":
    problems = too_long(sys.argv[1])
    print("\n".join(problems) or f"no source over {MOST_LINES} lines")
    sys.exit(1 if problems else 0)
