#!/usr/bin/env python3
"""Tests the judge on programs whose counts are known from reading their assembly.

Takes the plugin from TALLY_QEMU_PLUGIN and the stepper from TALLY_SINGLE_STEP, or builds them. A test whose compiler,
emulator or CPU feature is missing is skipped with the reason.
"""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools" / "qemu"
AARCH64_SYSROOT = "/usr/aarch64-linux-gnu"
ARM_SYSROOT = "/usr/arm-linux-gnueabihf"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True

import classify  # noqa: E402
import counts_file  # noqa: E402
import lanes  # noqa: E402
import modelled_cycles  # noqa: E402

NATIVE_X86 = platform.machine() == "x86_64"


def compile_program(compiler, source, output, *flags):
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", *flags, str(source), "-o", output], check=True)
    return output


class JudgeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tally_test_judge_")
        cls.environment = dict(os.environ)
        if "TALLY_QEMU_PLUGIN" not in os.environ:
            plugin = cls.path("libtally_qemu_plugin.so")
            subprocess.run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                            "-fvisibility=hidden", str(TOOLS / "plugin.c"), str(TOOLS / "line_table.c"), "-o", plugin],
                           check=True)
            cls.environment["TALLY_QEMU_PLUGIN"] = plugin
        if "TALLY_SINGLE_STEP" not in os.environ and NATIVE_X86:
            stepper = compile_program("c++", TOOLS / "single_step.cpp", cls.path("tally_single_step"), "-std=c++20")
            cls.environment["TALLY_SINGLE_STEP"] = stepper

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def judge(self, *arguments):
        done = subprocess.run([sys.executable, "-B", str(TOOLS / "judge.py"), *arguments], env=self.environment,
                              capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def need(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")

    def x86(self, source, *flags):
        if not NATIVE_X86:
            self.skipTest("the host is not x86-64")
        name = self.path(source.replace(".c", "_".join(("", *flags))))
        return name if os.path.exists(name) else compile_program("gcc", HERE / source, name, *flags)

    def aarch64(self, *flags):
        self.need("qemu-aarch64", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objdump")
        return compile_program("aarch64-linux-gnu-gcc", HERE / "aarch64_sections.c", self.path("aarch64"), *flags)

    def arm(self, *flags):
        self.need("qemu-arm", "arm-linux-gnueabihf-gcc", "arm-linux-gnueabihf-objdump")
        return compile_program("arm-linux-gnueabihf-gcc", HERE / "arm_sections.c", self.path("arm"), "-marm",
                               "-march=armv7-a", "-mfpu=neon-vfpv4", *flags)

    def assert_all_equal(self, outcome):
        code, out, err = outcome
        self.assertEqual(code, 0, out + err)
        self.assertIn(" 0 differ", out)

    def test_avx2_emulated_position_independent(self):
        self.need("qemu-x86_64")
        self.assert_all_equal(self.judge("--", self.x86("avx2_sections.c", "-fPIE", "-pie")))

    def test_avx2_emulated_static(self):
        self.need("qemu-x86_64")
        self.assert_all_equal(self.judge("--", self.x86("avx2_sections.c", "-static")))

    def test_avx2_emulated_named_cpu(self):
        self.need("qemu-x86_64")
        self.assert_all_equal(self.judge("--cpu", "Haswell", "--", self.x86("avx2_sections.c", "-static")))

    def test_many_sections(self):
        self.need("qemu-x86_64")
        code, out, err = self.judge("--format", "json", "--", self.x86("avx2_sections.c", "-static"), "--repeat", "100")
        self.assertEqual(code, 0, err)
        self.assertEqual(len(json.loads(out)["sections"]), 2800)

    def test_aarch64_position_independent(self):
        if not os.path.isdir(AARCH64_SYSROOT):
            self.skipTest(f"no {AARCH64_SYSROOT}")
        self.assert_all_equal(self.judge("--arch", "aarch64", "--sysroot", AARCH64_SYSROOT, "--", self.aarch64()))

    def test_aarch64_static(self):
        self.assert_all_equal(self.judge("--arch", "aarch64", "--", self.aarch64("-static")))

    def test_arm_position_independent(self):
        if not os.path.isdir(ARM_SYSROOT):
            self.skipTest(f"no {ARM_SYSROOT}")
        self.assert_all_equal(self.judge("--arch", "arm", "--sysroot", ARM_SYSROOT, "--", self.arm()))

    def test_arm_static_on_a_real_core(self):
        self.assert_all_equal(self.judge("--arch", "arm", "--cpu", "cortex-a7", "--", self.arm("-static")))

    def test_avx2_single_stepped(self):
        program = self.x86("avx2_sections.c", "-fPIE", "-pie")
        self.require_native("avx2")
        self.assert_all_equal(self.judge("--native", "--", program))

    def test_avx512_single_stepped(self):
        program = self.x86("avx512_sections.c")
        outcome = self.judge("--native", "--", program)
        if outcome[0] == 4:
            self.skipTest("this CPU lacks AVX-512 with VNNI")
        self.assert_all_equal(outcome)

    def test_under_callgrind(self):
        self.need("valgrind")
        program = self.x86("avx2_sections.c", "-fPIE", "-pie")
        self.assert_all_equal(self.judge("--callgrind", "--", program, "--isa", "sse2"))
        code, out, _ = self.judge("--callgrind", "--", program, "--isa", "sse2", "--wrong", "0")
        self.assertEqual(code, 1)
        self.assertIn("251 | 250 !", out)
        self.assertIn("in sse2_mul: 250 fp32_mul", out)
        # It goes by the function, not by markers: the 8 lanes that back_to_back executes between two sections count.
        code, out, _ = self.judge("--callgrind", "--", program, "--isa", "avx2")
        self.assertEqual(code, 1)
        self.assertIn("12089 | 12097 !", out)

    def test_callgrind_judges_one_instruction_set_at_a_time(self):
        self.need("valgrind")
        code, _, err = self.judge("--callgrind", "--", self.x86("avx2_sections.c", "-fPIE", "-pie"))
        self.assertEqual(code, 1)
        self.assertIn("sections of several ISAs", err)

    def require_native(self, feature):
        with open("/proc/cpuinfo", encoding="ascii") as file:
            if feature not in file.read().split():
                self.skipTest(f"this CPU lacks {feature}")

    def test_emulator_and_stepper_agree_on_every_address(self):
        self.need("qemu-x86_64")
        self.require_native("avx2")
        program = self.x86("avx2_sections.c", "-static")
        for folder, mode in (("emulated", []), ("stepped", ["--native"])):
            self.assert_all_equal(self.judge(*mode, "--keep", self.path(folder), "--", program))
        emulated, stepped = (list(counts_file.read_sections(self.path(f + "/counts.txt"))) for f in ("emulated", "stepped"))
        self.assertEqual(len(emulated), len(stepped))
        for e, s in zip(emulated, stepped):
            if e.executed != s.executed:
                # REP: the emulator also counts the iteration that finds the counter at zero.
                for address in e.executed:
                    self.assertIn(e.executed[address] - s.executed[address], (0, 1))
                self.assertEqual(e.number, 25, "only the section 'string' has REP instructions")

    def test_wrong_claim_is_found(self):
        self.need("qemu-x86_64")
        code, out, _ = self.judge("--", self.x86("avx2_sections.c", "-fPIE", "-pie"), "--wrong", "3")
        self.assertEqual(code, 1)
        self.assertIn("251 | 250 !", out)
        self.assertIn("in sse2_mul: 250 fp32_mul", out)
        self.assertIn("28 sections: 27 equal, 1 differ", out)

    def test_memory_off_is_reported_as_not_judged(self):
        self.need("qemu-x86_64")
        code, out, _ = self.judge("--no-memory", "--", self.x86("avx2_sections.c", "-static"))
        self.assertEqual(code, 0)
        self.assertIn("loaded B: judged in 0, claimed but not judged in 28", out)

    def test_unknown_multiply_accumulate_is_an_error(self):
        self.need("qemu-x86_64")
        code, _, err = self.judge("--", self.x86("unknown_mac.c"))
        self.assertEqual(code, 1)
        self.assertIn("dpps", err)

    def test_program_that_dies_is_an_error(self):
        program = self.x86("dies_in_section.c")
        self.need("qemu-x86_64")
        for mode in ([], ["--native"]):
            code, _, err = self.judge(*mode, "--", program)
            self.assertEqual(code, 1, err)

    def test_missing_tools_exit_with_4(self):
        self.assertEqual(self.judge("--emulator", "no-such-emulator", "--", "/bin/true")[0], 4)
        self.assertEqual(self.judge("--native", "--stepper", "/no/such/stepper", "--", "/bin/true")[0], 4)


class ModelledCyclesTest(unittest.TestCase):
    def test_blocks_end_at_branches_gaps_and_other_counts(self):
        texts = {"1000": "fmla v0.4s, v1.4s, v2.4s", "1004": "cmp x0, x1", "1008": "b.gt 0x0", "100c": "add x0, x0,",
                 "1010": "ret", "1018": "nop", "101c": "nop"}
        executed = {"1000": 9, "1004": 9, "1008": 9, "100c": 9, "1010": 9, "1018": 9, "101c": 2}
        blocks = modelled_cycles.blocks_of(counts_file.Section(0, executed=executed), texts)
        self.assertEqual(blocks, [(["1000", "1004", "1008"], 9), (["100c", "1010"], 9), (["1018"], 9), (["101c"], 2)])

    def test_independent_multiply_adds_run_at_the_peak_and_dependent_ones_do_not(self):
        mca = shutil.which("llvm-mca-19")
        if not mca:
            self.skipTest("llvm-mca-19 is not installed")
        chained, apart = modelled_cycles.cycles_of(
            [["fmla v0.4s, v1.4s, v2.4s"] * 8, [f"fmla v{n}.4s, v30.4s, v31.4s" for n in range(8)]], "neoverse-n1", mca)
        peak = modelled_cycles.peak_lanes("neoverse-n1", mca)
        self.assertAlmostEqual(peak, 8, delta=0.1)  # two pipes of four lanes
        self.assertGreater(chained, 1.9 * apart)

    def test_whole_program(self):
        if not shutil.which("llvm-mca-19") or not shutil.which("qemu-aarch64") or \
                not shutil.which("aarch64-linux-gnu-gcc"):
            self.skipTest("llvm-19, qemu-aarch64 or the cross compiler is not installed")
        with tempfile.TemporaryDirectory() as folder:
            program = compile_program("aarch64-linux-gnu-gcc", HERE / "aarch64_sections.c", folder + "/a64", "-static")
            done = subprocess.run([sys.executable, "-B", str(TOOLS / "modelled_cycles.py"), "--core", "cortex-a72",
                                   "--format", "json", "--", program], env=os.environ, capture_output=True, text=True)
            if done.returncode == 4:
                self.skipTest(done.stderr.strip())
            self.assertEqual(done.returncode, 0, done.stderr)
            result = json.loads(done.stdout)
            core = result["cores"][0]
            self.assertEqual(result["source"], "model")
            self.assertGreater(result["fp32_fma_lanes"], 0)
            self.assertAlmostEqual(sum(f["cycles"] for f in core["functions"]), core["cycles"], delta=1)
            self.assertEqual(sum(f["instructions"] for f in core["functions"]), result["instructions"])


class CountsFileTest(unittest.TestCase):
    def header_of(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return counts_file.read_header(file.name)

    def test_incomplete_or_untrusted_files_are_refused(self):
        for text in ("", "tally-counts 2 x86_64 qemu\nend 0 1\n", "tally-counts 1 x86_64 qemu\nsection 0\nx 10 1\n",
                     "tally-counts 1 x86_64 qemu\nerror start marker inside an open section\nend 1 1\n"):
            with self.assertRaises(counts_file.CountsError):
                self.header_of(text)

    def test_bytes_are_attributed_by_line(self):
        records = [(0x1000, 64, 4), (0x2000, 4, 1)]
        self.assertEqual(classify.bytes_inside(records, [[0x1040, 0x10C0]]), 128)
        self.assertEqual(classify.bytes_inside(records, [[0x0, 0x1040], [0x10C0, 0x3000]]), 132)
        self.assertEqual(classify.bytes_inside(records, []), 0)

    def test_buffers_merge_and_must_be_aligned(self):
        arena = {"name": "arena", "address": 0x1000, "bytes": 100}
        view = {"name": "view", "address": 0x1040, "bytes": 4}
        self.assertEqual(classify.merged_lines([view, arena]), [[0x1000, 0x1080]])
        with self.assertRaises(classify.ClassifyError):
            classify.merged_lines([{"name": "odd", "address": 0x1004, "bytes": 4}])


class LanesTest(unittest.TestCase):
    def test_x86_rules(self):
        for text, kind, count in (
                ("vfmadd231ps %ymm0,%ymm1,%ymm2", "fp32_fma", 8), ("vfmaddsub213ps %xmm0,%xmm1,%xmm2", "fp32_fma", 4),
                ("vfnmadd132sd (%rax),%xmm1,%xmm2", "fp64_fma", 1), ("vfmadd231ph %zmm0,%zmm1,%zmm2", "fp16_fma", 32),
                ("vfmadd231ps (%rax){1to16},%zmm1,%zmm2{%k1}", "fp32_fma", 16), ("mulss %xmm0,%xmm1", "fp32_mul", 1),
                ("vmulpd %ymm0,%ymm1,%ymm2", "fp64_mul", 4), ("{vex} vpdpbusd %ymm0,%ymm1,%ymm2", "int_mac", 32),
                ("vpdpwssds %zmm0,%zmm1,%zmm2", "int_mac", 32), ("pmaddwd %mm0,%mm1", "int_mac", 4),
                ("vpmaddubsw %xmm0,%xmm1,%xmm2", "int_pairs", 16), ("vdpbf16ps %zmm0,%zmm1,%zmm2", "bf16_mac", 32),
                ("vaddsubps %ymm0,%ymm1,%ymm2", None, 0), ("imul %rax,%rcx", None, 0), ("rep movsb %ds:(%rsi),%es:(%rdi)", None, 0)):
            self.assertEqual(lanes.x86_64(text)[:2], (kind, count), text)

    def test_aarch64_rules(self):
        for text, kind, count in (
                ("fmla v0.4s, v1.4s, v2.s[1]", "fp32_fma", 4), ("fmls v0.8h, v1.8h, v2.8h", "fp16_fma", 8),
                ("fnmadd s0, s1, s2, s3", "fp32_fma", 1), ("fmla s0, s1, v2.s[0]", "fp32_fma", 1),
                ("fmlal2 v0.4s, v1.4h, v2.4h", "fp32_fma", 4), ("fmul v0.2s, v1.2s, v2.2s", "fp32_mul", 2),
                ("usmmla v0.4s, v1.16b, v2.16b", "int_mac", 32), ("sudot v0.2s, v1.8b, v2.4b[0]", "int_mac", 8),
                ("umlal2 v0.8h, v1.16b, v2.16b", "int_mac", 8), ("smull v0.2d, v1.2s, v2.2s", "int_wide", 2),
                ("bfmmla v0.4s, v1.8h, v2.8h", "bf16_mac", 16), ("smull x0, w1, w2", None, 0), ("umaddl x0, w1, w2, x3", None, 0),
                ("frecps v0.4s, v1.4s, v2.4s", None, 0), ("sqrdmulh v0.4s, v1.4s, v2.4s", None, 0), ("ldp q0, q1, [x0]", None, 0)):
            self.assertEqual(lanes.aarch64(text)[:2], (kind, count), text)

    def test_arm_rules(self):
        for text, kind, count in (
                ("vfma.f32 q13, q10, q9", "fp32_fma", 4), ("vfms.f32 d0, d1, d2", "fp32_fma", 2),
                ("vfnma.f32 s0, s1, s2", "fp32_fma", 1), ("vfma.f64 d0, d1, d2", "fp64_fma", 1),
                ("vfma.f16 q0, q1, q2", "fp16_fma", 8), ("vmla.f32 s2, s0, s1", "fp32_mul", 1),
                ("vmls.f32 q0, q1, d2[0]", "fp32_mul", 4), ("vnmul.f32 s0, s1, s2", "fp32_mul", 1),
                ("vmul.f32 d0, d1, d2[1]", "fp32_mul", 2), ("vmul.f64 d0, d1, d2", "fp64_mul", 1),
                ("vmull.s8 q0, d2, d3", "int_mac", 8), ("vmlal.u16 q0, d2, d3[2]", "int_mac", 4),
                ("vmull.u32 q0, d2, d3", "int_wide", 2), ("vmla.i32 d16, d18, d17", "int_mac", 2),
                ("vudot.u8 q0, q1, q2", "int_mac", 16), ("vsmmla.s8 q0, q1, q2", "int_mac", 32),
                ("vpadal.s16 q1, q0", None, 0), ("vqrdmulh.s32 q0, q1, q2", None, 0), ("vrecps.f32 q0, q1, q2", None, 0),
                ("umlal r0, r1, r2, r3", None, 0), ("smlabbne r0, r1, r2, r3", None, 0), ("mul.w r0, r1, r2", None, 0),
                ("vld1.32 {d0[],d1[]}, [r0]", None, 0), ("vmov.f32 s0, s1", None, 0), ("vpush {d8-d13}", None, 0)):
            self.assertEqual(lanes.arm(text)[:2], (kind, count), text)

    def test_arm_code_is_read_as_the_emulator_reads_it(self):
        # e2800001 is `add r0, r0, #1` in A32, f8d01004 `ldr.w r1, [r0, #4]` in Thumb: both four bytes.
        code = {"10": bytes.fromhex("010080e2"), "14": bytes.fromhex("d0f80410"), "18": bytes.fromhex("7047")}
        if not shutil.which("arm-linux-gnueabihf-objdump"):
            self.skipTest("arm-linux-gnueabihf-objdump is not installed")
        texts = classify.disassemble(code, "arm", None, {"10": "add", "14": "ldr.w", "18": "bx"})
        self.assertEqual([text.split()[0] for text in texts.values()], ["add", "ldr.w", "bx"])
        with self.assertRaises(classify.ClassifyError):
            classify.disassemble(code, "arm", None, {address: "?" for address in code})

    def test_unknown_multiply_accumulates_raise(self):
        for rule, texts in (
                (lanes.x86_64, ("vpmadd52luq %zmm0,%zmm1,%zmm2", "dpps $0xff,%xmm0,%xmm1", "vfcmaddcph %zmm0,%zmm1,%zmm2",
                                "vfmaddps %xmm0,%xmm1,%xmm2,%xmm3", "v4fmaddps (%rax),%zmm4,%zmm1", "tdpbusd %tmm0,%tmm1,%tmm2")),
                (lanes.aarch64, ("fmla z0.s, p0/m, z1.s, z2.s", "mul z0.s, p0/m, z0.s, z1.s", "sqdmlal v0.4s, v1.4h, v2.4h",
                                 "fcmla v0.4s, v1.4s, v2.4s, #90", "fmopa za0.s, p0/m, p1/m, z0.s, z1.s", "sqrdmlah v0.4s, v1.4s, v2.4s")),
                (lanes.arm, ("vmulne.f32 s0, s1, s2", "vfmal.f16 q0, d1, d2", "vcmla.f32 q0, q1, q2, #90", "vqdmlal.s16 q0, d1, d2",
                             "vqrdmlah.s32 q0, q1, q2", "vmmla.bf16 q0, q1, q2", "vmull.p8 q0, d1, d2", "mia acc0, r1, r2"))):
            for text in texts:
                with self.assertRaises(lanes.UnknownInstruction, msg=text):
                    rule(text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
