#!/usr/bin/env python3
"""Turns executed instructions into multiply-accumulate lanes by type, and line bytes into bytes by buffer.

  classify.py COUNTS [--objdump PROGRAM] [--binary FILE [--anchor SYMBOL=ADDRESS]] [--buffers FILE] [--section K]...

Prints one JSON object a section. The counts file carries the machine code that ran, so the binary is needed only to name
functions (`--binary`, with `--anchor` where it is position-independent). `--buffers` is a JSON list of {"name", "address",
"bytes"}. The rules, instruction by instruction, are in lanes.py. Python's standard library only.
"""

import argparse
import bisect
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

import counts_file
import lanes

LINE = 64


class Machine(NamedTuple):
    """How objdump is told the machine, the distance in the flat file from one instruction to the next, what lies between,
    and the most bytes taken of one."""

    objdump: str
    options: tuple
    slot: int
    filler: bytes
    most: int


# On x86 the recorded bytes may hold more than the instruction, at most 15 in all; 17 one-byte nops let the decoder fall back
# into step before the next.
MACHINES = {"x86_64": Machine("objdump", ("-m", "i386:x86-64"), 32, b"\x90", 15),
            "aarch64": Machine("aarch64-linux-gnu-objdump", ("-m", "aarch64"), 4, b"\0", 4),
            "arm": Machine("arm-linux-gnueabihf-objdump", ("-m", "arm"), 4, b"\0", 4)}
# Two-byte nops, for the same purpose: among what is read as Thumb is A32 code.
THUMB = MACHINES["arm"]._replace(options=("-m", "arm", "-M", "force-thumb"), slot=8, filler=b"\x00\xbf")
ANY_TARGET_INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*)$")


class ClassifyError(Exception):
    """The counts cannot be classified; the message says which instruction or tool is to blame."""


def decoded(code, machine, objdump):
    """{address: text} of the machine code {address: bytes}, by one run of objdump over all of it; None where it finds none."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as flat:
        for machine_code in code.values():
            flat.write((machine_code[:machine.most] + machine.filler * machine.slot)[:machine.slot])
        flat.flush()
        command = [objdump or machine.objdump, "-D", "-z", "-w", "--no-show-raw-insn", "-b", "binary", *machine.options,
                   flat.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClassifyError(f"{' '.join(command)}: {done.stderr.strip()}")
    by_offset = {}
    for line in done.stdout.splitlines():
        match = ANY_TARGET_INSTRUCTION.match(line)
        if match and int(match[1], 16) % machine.slot == 0:
            text = re.split(r"\s+(?://|#|<|@|;)", match[2].replace("\t", " "))[0]
            by_offset[int(match[1], 16)] = " ".join(text.split())
    return {address: by_offset.get(index * machine.slot) for index, address in enumerate(code)}


# What objdump writes for names that the emulator's disassembler prefers.
ARM_SYNONYMS = {"push": "stmdb", "pop": "ldmia", "lsl": "mov", "lsr": "mov", "asr": "mov", "ror": "mov", "adr": "add"}


def same_name(told, text):
    """True if the emulator's mnemonic and objdump's text may be of one instruction."""
    told, name = (re.sub(r"\.[wn]$", "", word) for word in (told, text.partition(" ")[0]))
    conditions = re.sub("hs$", "cs", re.sub("lo$", "cc", told))
    return name in (told, conditions, ARM_SYNONYMS.get(told))


def arm_texts(code, mnemonics, objdump):
    """As `decoded`, of code that is partly A32 and partly Thumb, which the bytes do not tell where there are four of them.
    The reading is taken that has the emulator's name; where both or none have, the one of the nearest instruction that is
    beyond doubt."""
    if not any(mnemonic.strip("?") for mnemonic in mnemonics.values()):
        raise ClassifyError("the emulator names no instruction (it is built without a disassembler), so that A32 and Thumb "
                            "code cannot be told apart")
    a32 = decoded({address: c for address, c in code.items() if len(c) == 4}, MACHINES["arm"], objdump)
    thumb = decoded(code, THUMB, objdump)
    known = []  # (address, whether it is Thumb)
    doubtful = []
    for address in sorted(code, key=lambda a: int(a, 16)):
        told, number = mnemonics.get(address, "?"), int(address, 16)
        is_a32, is_thumb = same_name(told, a32.get(address) or ""), same_name(told, thumb[address] or "")
        if address not in a32 or number % 4 or told.endswith(".w"):
            known.append((number, True))
        elif is_a32 != is_thumb:
            known.append((number, is_thumb))
        else:
            doubtful.append(number)
    is_thumb_at = dict(known)
    for number in doubtful:
        index = bisect.bisect_left(known, (number, False))
        is_thumb_at[number] = min(known[max(index - 1, 0):index + 1], key=lambda k: abs(k[0] - number), default=(0, False))[1]
    return {address: (thumb if is_thumb_at[int(address, 16)] else a32)[address] for address in code}


def disassemble(code, target, objdump=None, mnemonics=None):
    """{address: text} of the machine code {address: bytes}; for arm with what the emulator calls it."""
    if target not in MACHINES:
        raise ClassifyError(f"no lane rules for target '{target}', known: {', '.join(MACHINES)}")
    if target == "arm":
        texts = arm_texts(code, mnemonics or {}, objdump)
    else:
        texts = decoded(code, MACHINES[target], objdump)
    for address, text in texts.items():
        if text is None or "(bad)" in text or text.startswith(".inst") or "undefined" in text.lower():
            raise ClassifyError(f"objdump cannot decode the instruction executed at {address}: "
                                f"{code[address].hex()} ({text})")
    return texts


class Classifier:
    """Lanes of each executed instruction of a counts file."""

    def __init__(self, header, objdump=None):
        self.texts = disassemble(header.code, header.target, objdump, header.mnemonics)
        rule = lanes.RULES[header.target]
        self.misreported = {address: remark for address, text in self.texts.items()
                            for pattern, remark in lanes.MISREPORTED[header.target] if pattern.match(text)}
        self.classes = {}
        for address, text in self.texts.items():
            try:
                self.classes[address] = rule(text)
            except lanes.UnknownInstruction as error:
                raise ClassifyError(f"'{error}' at {address} looks like a multiply-accumulate but lanes.py has no rule "
                                    "for it") from None

    def totals(self, section):
        """{"instructions": n, each of MIX: n, each of KINDS that occurs: lanes}."""
        result = collections.Counter()
        for address, count in section.executed.items():
            kind, count_of_lanes, mix = self.classes[address]
            result["instructions"] += count
            result[mix] += count
            if kind:
                result[kind] += count * count_of_lanes
        return dict(result)

    def misreported_memory(self, section):
        """{remark: executions} of instructions whose accesses the emulator does not report as they are."""
        result = collections.Counter()
        for address in self.misreported.keys() & section.executed.keys():
            result[self.misreported[address]] += section.executed[address]
        return dict(result)

    def by_function(self, section, functions):
        """{function: Counter of KINDS and "instructions"} of a section."""
        result = collections.defaultdict(collections.Counter)
        for address, count in section.executed.items():
            kind, count_of_lanes, _ = self.classes[address]
            row = result[functions.name(int(address, 16))]
            row["instructions"] += count
            if kind:
                row[kind] += count * count_of_lanes
        return result


class Functions:
    """Names of functions by run-time address, from `nm`. The anchor, a symbol and its address in the run, gives the bias;
    without it the functions of a position-independent program are all "?", unless the addresses are `unmoved`."""

    def __init__(self, binary, anchor=None, unmoved=False):
        done = subprocess.run(["nm", "-C", "--defined-only", binary], capture_output=True, text=True)
        # Not ARM's $a, $t and $d, which mark encodings.
        symbols = [line.split(" ", 2) for line in done.stdout.splitlines() if re.match(r"[0-9a-f]+ [a-zA-Z] [^$]", line)]
        self.bias = 0
        with open(binary, "rb") as file:
            position_independent = file.read(18)[16] == 3  # e_type ET_DYN
        if position_independent and not anchor and not unmoved:
            symbols = []
        if anchor:
            found = [int(s[0], 16) for s in symbols if s[2] == anchor["symbol"]]
            if not found:
                raise ClassifyError(f"anchor symbol '{anchor['symbol']}' is not in {binary}")
            self.bias = anchor["address"] - found[0]
        text = sorted((int(s[0], 16), s[2]) for s in symbols if s[1] in "tTWi")
        self.starts = [s[0] for s in text]
        self.names = [s[1] for s in text]

    def name(self, address):
        index = bisect.bisect_right(self.starts, address - self.bias) - 1
        return self.names[index] if index >= 0 else "?"


def merged_lines(buffers):
    """Disjoint sorted (begin, end) of the lines that the buffers occupy. Raises on a buffer that begins inside a line, whose
    bytes could not be told from its neighbour's."""
    merged = []
    for buffer in sorted(buffers, key=lambda b: b["address"]):
        begin, end = buffer["address"], -(-(buffer["address"] + buffer["bytes"]) // LINE) * LINE
        if begin % LINE:
            raise ClassifyError(f"buffer '{buffer['name']}' begins at {begin:#x}, not a multiple of {LINE}: its bytes "
                                "cannot be told from its neighbours'")
        if not buffer["bytes"]:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def bytes_inside(records, intervals):
    """Bytes of the records (line, bytes per line, lines) that fall in the disjoint sorted intervals."""
    ends = [end for _, end in intervals]
    total = 0
    for line, count, repeat in records:
        last = line + repeat * LINE
        for begin, end in intervals[bisect.bisect_right(ends, line):]:
            if begin >= last:
                break
            total += count * ((min(last, end) - max(line, begin)) // LINE)
    return total


def memory(section, buffers):
    """{"bytes_loaded", "bytes_stored", "outside_buffers": {"loaded", "stored"}} against the union of the buffers."""
    union = merged_lines(buffers)
    loaded, stored = bytes_inside(section.loaded, union), bytes_inside(section.stored, union)
    return {"bytes_loaded": loaded, "bytes_stored": stored,
            "outside_buffers": {"loaded": sum(b * n for _, b, n in section.loaded) - loaded,
                                "stored": sum(b * n for _, b, n in section.stored) - stored}}


def memory_by_buffer(section, buffers):
    """[{"name", "kind", "loaded", "stored"}]; buffers that overlap each count the shared lines."""
    return [{"name": b["name"], "kind": b.get("kind", "operand"), "loaded": bytes_inside(section.loaded, merged_lines([b])),
             "stored": bytes_inside(section.stored, merged_lines([b]))} for b in buffers]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts")
    parser.add_argument("--objdump")
    parser.add_argument("--binary")
    parser.add_argument("--anchor", help="SYMBOL=ADDRESS in the run")
    parser.add_argument("--buffers")
    parser.add_argument("--section", type=int, action="append")
    options = parser.parse_args()
    try:
        header = counts_file.read_header(options.counts)
        classifier = Classifier(header, options.objdump)
        anchor = None
        if options.anchor:
            symbol, _, address = options.anchor.rpartition("=")
            anchor = {"symbol": symbol, "address": int(address, 0)}
        functions = Functions(options.binary, anchor) if options.binary else None
        buffers = []
        if options.buffers:
            with open(options.buffers, encoding="utf-8") as file:
                buffers = json.load(file)
        for section in counts_file.read_sections(options.counts):
            if options.section and section.number not in options.section:
                continue
            row = {"section": section.number, **classifier.totals(section)}
            if header.has_memory:
                row.update(memory(section, buffers))
                row["buffers"] = memory_by_buffer(section, buffers)
            if functions:
                row["functions"] = classifier.by_function(section, functions)
            print(json.dumps(row))
    except (ClassifyError, counts_file.CountsError, OSError) as error:
        print(f"classify.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
