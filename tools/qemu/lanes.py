"""What one instruction multiplies: its kind and number of multiply-accumulate lanes, from its disassembly by objdump.

`KINDS`, by what the judge compares:
  fp32_fma   lanes of fused multiply-adds that accumulate in fp32 (aarch64 fmlal, fp16 products into fp32, included)
  fp32_mul   lanes of fp32 multiplications without addition: they stand for the MACs on instruction sets without FMA
  int_mac    integer MACs of 8- and 16-bit operands: dot products 4 (bytes) or 2 (words) a 32-bit lane, matrix multiplies 8,
             widening multiplies 1 a lane; on aarch64 and arm also mul/mla/mls of 8- to 32-bit lanes
  int_pairs  vpmaddubsw: 2 a 16-bit lane, kept apart because a vpmaddwd that only sums its result follows it
  int_wide   widening multiplies of 32-bit operands (requantisation)
  and fp16_fma, fp16_mul, fp64_fma, fp64_mul, bf16_mac for the other formats.

Masked AVX-512 forms count all lanes: the mask does not shorten the instruction. 32-bit ARM's vmla and vmls of floats round
the product before they add, so they are multiplications. Reciprocal steps (frecps, frsqrts, vrecps, vrsqrts) and scalar integer multiplications (addresses) are no lanes. A mnemonic that looks like a multiply-accumulate but has no rule is
an error, so that no MAC can be counted as zero.
"""

import re

KINDS = ("fp32_fma", "fp32_mul", "int_mac", "int_pairs", "int_wide",
         "fp16_fma", "fp16_mul", "fp64_fma", "fp64_mul", "bf16_mac")
MIX = ("vector", "scalar_fp", "other")


class UnknownInstruction(Exception):
    """No rule for an instruction that looks like a multiply-accumulate."""


X86_PREFIXES = re.compile(r"^(?:(?:lock|rep[nz]*e?|data16|addr32|bnd|notrack|xacquire|xrelease|[c-g]s|ss|rex(?:\.\w+)?"
                          r"|\{\w+\}) +)+")
X86_REGISTER = re.compile(r"%([xyz]?)mm\d+")
X86_WIDTH = {"": 64, "x": 128, "y": 256, "z": 512}
X86_FMA = re.compile(r"^vfn?m(?:add|sub|addsub|subadd)(?:132|213|231)([ps])([shd])$")
X86_MUL = re.compile(r"^v?mul([ps])([shd])$")
X86_ELEMENT = {"s": ("fp32", 32), "h": ("fp16", 16), "d": ("fp64", 64)}
# mnemonic → kind, bits of a result lane, MACs per result lane
X86_DOT = [
    (re.compile(r"^vpdpb(?:us|ss|su|uu)ds?$"), "int_mac", 32, 4),
    (re.compile(r"^vpdpw(?:ss|us|su|uu)ds?$"), "int_mac", 32, 2),
    (re.compile(r"^v?pmaddwd$"), "int_mac", 32, 2),
    (re.compile(r"^v?pmaddubsw$"), "int_pairs", 16, 2),
    (re.compile(r"^vdpbf16ps$"), "bf16_mac", 32, 2),
]
X86_SUSPECT = re.compile(r"^vf.*m(?:add|sub|ul)|madd|msub|^vpmac|^v?p?dp|^tdp|^v4f|^vp4|^pfmul")


def x86_64(text):
    """(kind or None, lanes, mix) of one AT&T-syntax instruction."""
    mnemonic, _, operands = X86_PREFIXES.sub("", text).partition(" ")
    registers = X86_REGISTER.findall(operands)
    if not registers:
        if X86_SUSPECT.search(mnemonic):
            raise UnknownInstruction(text)
        return None, 0, "other"
    width = X86_WIDTH[registers[-1]]  # AT&T: the destination comes last, and is a register where lanes multiply
    for pattern, suffix in ((X86_FMA, "_fma"), (X86_MUL, "_mul")):
        match = pattern.match(mnemonic)
        if match:
            name, bits = X86_ELEMENT[match[2]]
            packed = match[1] == "p"
            return name + suffix, width // bits if packed else 1, "vector" if packed else "scalar_fp"
    for pattern, kind, bits, macs in X86_DOT:
        if pattern.match(mnemonic):
            return kind, width // bits * macs, "vector"
    if X86_SUSPECT.search(mnemonic):
        raise UnknownInstruction(text)
    scalar = re.search(r"s[sdh]$|s[sdh]2|2s[sdh]", mnemonic) and not mnemonic.startswith("vbroadcast")
    return None, 0, "scalar_fp" if scalar else "vector"


ARM_VECTOR = re.compile(r"^v\d+\.(\d+)([bhsdq])")
ARM_SCALAR = re.compile(r"^([bhsdq])\d+")
ARM_ELEMENT = {"b": 8, "h": 16, "s": 32, "d": 64, "q": 128}
ARM_FLOAT = {"h": "fp16", "s": "fp32", "d": "fp64"}
ARM_FMA = {"fmla", "fmls", "fmadd", "fmsub", "fnmadd", "fnmsub"}
ARM_MUL = {"fmul", "fnmul", "fmulx"}
ARM_FMA_WIDENING = {"fmlal", "fmlal2", "fmlsl", "fmlsl2"}
ARM_INT_WIDENING = re.compile(r"^[su]ml(?:al|sl)2?$|^[su]mull2?$")
ARM_INT = {"mul", "mla", "mls"}
ARM_DOT = {"sdot": 4, "udot": 4, "usdot": 4, "sudot": 4, "smmla": 8, "ummla": 8, "usmmla": 8}
ARM_BF16 = {"bfdot": 2, "bfmmla": 4, "bfmlalb": 1, "bfmlalt": 1}
# Integer arithmetic on general registers; smull, umull, mul and madd there are addresses, not MACs.
ARM_GENERAL = re.compile(r"^[su]?(?:madd|msub)l?$|^[su]mull$|^mul$")
ARM_SUSPECT = re.compile(r"ml[as]|madd|msub|dot|mmla|mop[as]|fmul|fnmul")


def aarch64(text):
    """(kind or None, lanes, mix) of one aarch64 instruction."""
    mnemonic, _, operands = text.partition(" ")
    operands = operands.strip()
    vector, scalar = ARM_VECTOR.match(operands), ARM_SCALAR.match(operands)
    if vector:
        count, element, mix = int(vector[1]), vector[2], "vector"
    elif scalar:
        count, element, mix = 1, scalar[1], "vector" if scalar[1] == "q" else "scalar_fp"
    else:
        if re.match(r"z[0-9a]", operands) and "mul" in mnemonic:
            raise UnknownInstruction(text)  # scalable vectors: the lanes depend on the machine's vector length
        if ARM_SUSPECT.search(mnemonic) and not (ARM_GENERAL.match(mnemonic) and re.match(r"[wx]", operands)):
            raise UnknownInstruction(text)
        lanes_used = re.search(r"\bv\d+\.|\{ ?v\d+|\bq\d+", operands)
        return None, 0, "vector" if lanes_used else "other"
    if element in ARM_FLOAT:
        if mnemonic in ARM_FMA:
            return ARM_FLOAT[element] + "_fma", count, mix
        if mnemonic in ARM_MUL:
            return ARM_FLOAT[element] + "_mul", count, mix
    if vector and element == "s":
        if mnemonic in ARM_FMA_WIDENING:
            return "fp32_fma", count, mix
        if mnemonic in ARM_DOT:
            return "int_mac", count * ARM_DOT[mnemonic], mix
        if mnemonic in ARM_BF16:
            return "bf16_mac", count * ARM_BF16[mnemonic], mix
    if vector and ARM_INT_WIDENING.match(mnemonic):
        return "int_wide" if element == "d" else "int_mac", count, mix
    if vector and mnemonic in ARM_INT:
        return "int_mac", count, mix
    if ARM_SUSPECT.search(mnemonic):
        raise UnknownInstruction(text)
    return None, 0, mix


# 32-bit ARM, A32 and Thumb: a mnemonic of its vector and floating-point units is v…, perhaps a condition, a point, a type.
A32_REGISTER = re.compile(r"\{?([sdq])\d+")
A32_WIDTH = {"s": 32, "d": 64, "q": 128}
A32_FLOAT = {"f16": ("fp16", 16), "f32": ("fp32", 32), "f64": ("fp64", 64)}
A32_FMA = {"vfma", "vfms", "vfnma", "vfnms"}
A32_MUL = {"vmul", "vnmul", "vmla", "vmls", "vnmla", "vnmls"}
A32_WIDENING = {"vmull", "vmlal", "vmlsl"}
A32_DOT = {"vsdot": 4, "vudot": 4, "vusdot": 4, "vsudot": 4, "vsmmla": 8, "vummla": 8, "vusmmla": 8}
A32_INTEGER = re.compile(r"[isu](8|16|32|64)$")
# Saturating doubled high halves requantise, as on aarch64; they are no MACs.
A32_NO_MAC = {"vqdmulh", "vqrdmulh"}
A32_SUSPECT = re.compile(r"^v.*(?:ml[as]|mul|dot|mmla|fm[as]|fnm[as])|^vcmla|^vfmal|^m[iu]a")


def arm(text):
    """(kind or None, lanes, mix) of one A32 or Thumb instruction."""
    mnemonic, _, operands = text.partition(" ")
    name, _, kind = mnemonic.partition(".")
    register = A32_REGISTER.match(operands.strip())
    if not name.startswith("v") or not register:
        if A32_SUSPECT.search(name):
            raise UnknownInstruction(text)
        return None, 0, "vector" if name.startswith("v") else "other"
    width = A32_WIDTH[register[1]]
    mix = "scalar_fp" if register[1] == "s" or kind.endswith("f64") else "vector"
    if kind in A32_FLOAT and name in A32_FMA | A32_MUL:
        # In Q and D registers all lanes, in S registers and for f64 one.
        fmt, bits = A32_FLOAT[kind]
        return fmt + ("_fma" if name in A32_FMA else "_mul"), 1 if mix == "scalar_fp" else width // bits, mix
    integer = A32_INTEGER.match(kind)
    if integer and name in A32_WIDENING:
        bits = int(integer[1])
        return "int_wide" if bits == 32 else "int_mac", width // (2 * bits), mix
    if integer and name in A32_DOT:
        return "int_mac", width // 32 * A32_DOT[name], mix
    if integer and name in A32_MUL:
        return "int_mac", width // int(integer[1]), mix
    if A32_SUSPECT.search(name) and name not in A32_NO_MAC:
        raise UnknownInstruction(text)  # conditional ones too: the emulator counts them whether or not they were carried out
    return None, 0, mix


# Instructions whose memory accesses qemu 7.2 reports differently from what the processor does; found by the sections of
# tests/tools/qemu, which measure each load and store form that the kernels use.
MISREPORTED = {
    "x86_64": [(re.compile(r"^vp?maskmov(?:ps|pd|d|q) +[^%]*\("), "masked loads, seen as loads of the whole vector")],
    "aarch64": [(re.compile(r"^dc +zva"), "dc zva, whose stores are not seen")],
    "arm": [],
}


RULES = {"x86_64": x86_64, "aarch64": aarch64, "arm": arm}
