"""What an ISA object may not hold: inline code that the linker could share, and calls of libm.

Weak symbols are merged over all objects of a program: one that two ISA objects share under one name would hand, say,
AVX-512 code to a baseline CPU. So every weak symbol must carry the object's own namespace, isa_<name> or the renamed
xsimd_<name>. And a kernel's multiply-adds are counted: those inside a libm call would be nobody's.

Usage: isa_symbols.py NM NAME=OBJECT...
"""

import re
import subprocess
import sys

# A line of `nm`: value (absent where undefined), type letter, mangled name.
SYMBOL = re.compile(r"^[0-9a-fA-F]*\s+([A-Za-z?])\s+(\S+)$")
WEAK = set("WVu")
UNDEFINED = set("Uwv")

LIBM = re.compile(
    r"^(a?(sin|cos|tan)h?|sincos|atan2|exp|exp2|exp10|expm1|log|log2|log10|log1p|logb|pow|sqrt|rsqrt|cbrt|hypot|erfc?|"
    r"[lt]gamma|fma|fmod|remainder|remquo|modf|frexp|ldexp|scalbl?n|ceil|floor|trunc|l?l?round|l?l?rint|nearbyint|"
    r"f(abs|dim|max|min)|copysign|nextafter)[fl]?$")


def broken(name, listing):
    """The rules that the `nm` listing of ISA `name`'s object breaks, one text each."""
    own = [f"{len(space)}{space}" for space in (f"isa_{name}", f"xsimd_{name}")]
    # The length before a name is part of the mangling, so 10isa_avx512 is never found inside 14isa_avx512vnni.
    mine = re.compile(r"(?<!\d)(" + "|".join(own) + ")")
    found = []
    for line in listing.splitlines():
        match = SYMBOL.match(line)
        if not match:
            continue
        kind, symbol = match.groups()
        if kind in WEAK and not mine.search(symbol):
            found.append(f"{name}: weak symbol outside isa_{name}: {symbol}")
        if kind in UNDEFINED and LIBM.match(symbol):
            found.append(f"{name}: calls libm: {symbol}")
    return found


def main(nm, pairs):
    found = []
    for pair in pairs:
        name, _, path = pair.partition("=")
        listing = subprocess.run([nm, path], check=True, capture_output=True, text=True).stdout
        if not SYMBOL.search(listing.splitlines()[0] if listing else ""):
            found.append(f"{name}: {path} has no symbols")
        found += broken(name, listing)
    print("\n".join(found) or f"{len(pairs)} ISA objects share no symbol and call no libm")
    return 1 if found or not pairs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
