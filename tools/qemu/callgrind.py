"""A second outside judge on x86-64: valgrind's callgrind, which counts executed instructions by address.

It knows no markers, but collects inside the function that the program calls between them (`tally_marked_section` of
tools/measure/marker.h), so that all marked sections of a run make one. Its output becomes a counts file (the format of plugin.c):
executions by address, with the machine code read from the objects. No memory accesses, no instructions that valgrind
lacks (AVX-512).
"""

import struct
import subprocess

SECTION_FUNCTION = "tally_marked_section*"
LONGEST_INSTRUCTION = 15


class CallgrindError(Exception):
    """Callgrind failed, or wrote what cannot be read."""


def command_line(valgrind, profile, program):
    return [valgrind, "--tool=callgrind", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no",
            "--collect-atstart=no", f"--toggle-collect={SECTION_FUNCTION}", f"--callgrind-out-file={profile}", *program]


def executions(profile):
    """{(object file, address): executions}, of instructions themselves (not of the calls that they make)."""
    counts = {}
    current = None
    inclusive = False  # the line after calls= is the cost of the callee
    with open(profile, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("0x"):
                if not inclusive:
                    address, *_, count = line.split()
                    key = current, int(address, 16)
                    counts[key] = counts.get(key, 0) + int(count)
                inclusive = False
            elif line.startswith("calls="):
                inclusive = True
            elif line.startswith("ob="):
                current = line[3:].rstrip("\n")
            elif line.startswith("positions:") and line.split()[1:2] != ["instr"]:
                raise CallgrindError(f"{profile}: costs by line, not by instruction")
    return counts


class ElfCode:
    """Machine code of a 64-bit little-endian ELF file by its own (unrelocated) addresses."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.content = file.read()
        if self.content[:6] != b"\x7fELF\x02\x01":
            raise CallgrindError(f"{path}: not a 64-bit little-endian ELF file")
        offset, = struct.unpack_from("<Q", self.content, 32)
        size, number = struct.unpack_from("<HH", self.content, 54)
        self.loaded = []
        for k in range(number):
            kind, _, place, address, _, length = struct.unpack_from("<IIQQQQ", self.content, offset + k * size)
            if kind == 1:  # PT_LOAD
                self.loaded.append((address, length, place))

    def at(self, address):
        for begin, length, place in self.loaded:
            if begin <= address < begin + length:
                start = place + address - begin
                return self.content[start:min(start + LONGEST_INSTRUCTION, place + length)]
        raise CallgrindError(f"no code at {address:#x}")


def write_counts(profile, counts):
    """Turns callgrind's `profile` into the counts file `counts` of one section. Addresses are the objects' own, each
    object in an address space of its own."""
    executed = executions(profile)
    objects = sorted({path for path, _ in executed}, key=str)
    codes = {}
    with open(counts, "w", encoding="ascii") as out:
        out.write("tally-counts 1 x86_64 callgrind\nsection 0\n")
        for (path, address), count in sorted(executed.items(), key=lambda item: (objects.index(item[0][0]), item[0][1])):
            if path is None or path.startswith("???"):
                raise CallgrindError(f"{count} executions of code that belongs to no file")
            if path not in codes:
                codes[path] = ElfCode(path)
            name = f"{objects.index(path) << 48 | address:x}"
            out.write(f"i {name} {codes[path].at(address).hex()}\nx {name} {count}\n")
        out.write("end 1 1\n")


def run(command, output):
    """Runs callgrind; the exit code of the program."""
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 4):
        raise CallgrindError(f"exit code {done.returncode} of {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.returncode
