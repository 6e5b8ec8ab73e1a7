"""Reads the counts file that plugin.c, single_step.cpp and callgrind.py write (its format is documented in plugin.c)."""

from dataclasses import dataclass, field


class CountsError(Exception):
    """The counts file is damaged, of a run that died, or says itself that it is not to be trusted."""


@dataclass
class Section:
    """One marked interval. `executed` maps an address, as written in the file, to its executions; `loaded` and `stored` hold
    (first line address, bytes per line, lines)."""

    number: int
    executed: dict = field(default_factory=dict)
    loaded: list = field(default_factory=list)
    stored: list = field(default_factory=list)


@dataclass
class Header:
    """What holds for the whole file. `code` maps an address, as written in the file, to machine code in memory order; bytes
    after the first instruction may follow. `mnemonics`: what the emulator calls it (arm only)."""

    target: str
    producer: str
    sections: int
    threads: int
    code: dict
    mnemonics: dict = field(default_factory=dict)

    @property
    def has_memory(self):
        return self.producer == "qemu"


def read_header(path):
    """First pass: everything but the sections' contents. Raises CountsError unless the file is complete and trusted."""
    code, mnemonics = {}, {}
    sections = threads = None
    with open(path, encoding="ascii") as file:
        first = file.readline().split()
        if len(first) != 4 or first[:2] != ["tally-counts", "1"]:
            raise CountsError(f"{path}: not a counts file of version 1")
        for line in file:
            if line[0] == "i":
                _, address, machine_code, *mnemonic = line.split()
                code[address] = bytes.fromhex(machine_code)
                if mnemonic:
                    mnemonics[address] = mnemonic[0]
            elif line.startswith("error"):
                raise CountsError(f"{path}: {line[6:].strip()}")
            elif line.startswith("end"):
                sections, threads = map(int, line.split()[1:])
    if sections is None:
        raise CountsError(f"{path}: incomplete, the program or its emulator died")
    return Header(first[2], first[3], sections, threads, code, mnemonics)


def read_sections(path):
    """Second pass: yields one Section after the other."""
    section = None
    with open(path, encoding="ascii") as file:
        for line in file:
            kind = line[0]
            if kind == "x":
                _, address, count = line.split()
                section.executed[address] = int(count)
            elif kind in "ls" and not line.startswith("section"):
                fields = line.split()
                lines = int(fields[3]) if len(fields) > 3 else 1
                (section.loaded if kind == "l" else section.stored).append((int(fields[1], 16), int(fields[2]), lines))
            elif line.startswith("section"):
                if section is not None:
                    yield section
                section = Section(int(line.split()[1]))
    if section is not None:
        yield section
