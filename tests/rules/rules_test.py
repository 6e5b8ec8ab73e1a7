"""The rules themselves, on snippets that break them deliberately."""

import pathlib
import tempfile
import unittest

import android_symbols
import file_length
import floors
import isa_symbols


def tree(files):
    """A temporary root that holds `files`, {path: text}."""
    folder = tempfile.TemporaryDirectory()
    for path, text in files.items():
        file = pathlib.Path(folder.name, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


class Floors(unittest.TestCase):
    def broken(self, path, text):
        with tree({path: text}) as root:
            return floors.violations(root)

    def test_wrong_includes_are_found(self):
        for path, line in [
            ("platforms/gemm.cpp", '#include "tally/engine/graph.h"'),
            ("platforms/gemm.cpp", '#include <tally/layers/conv.h>'),
            ("engine/plan.cpp", '  #  include "tally/layers/conv.h"'),
            ("engine/plan.cpp", '#include "tally/tally.h"'),
            ("engine/plan.cpp", '#include "tools/output/report.h"'),
            ("tools/output/report.cpp", '#include "tools/measure/profile_report.h"'),
            ("engine/plan.cpp", '#include "tests/reference/gemm.h"'),
            ("engine/plan.cpp", '#include "graph.h"'),
            ("engine/plan.cpp", '#include "tally/build_info.h"'),
            ("layers/conv.cpp", "#include <xsimd/xsimd.hpp>"),
            ("engine/graph.cpp", "#include <protozero/pbf_reader.hpp>"),
            ("layers/conv.cpp", "#include <fmt/format.h>"),
            ("engine/graph.cpp", "#include <nlohmann/json.hpp>"),
            ("platforms/cpu.cpp", "#include <CLI/CLI.hpp>"),
            ("engine/run.cpp", "#include <omp.h>"),
            ("engine/run.cpp", "#pragma omp parallel for"),
            ("tools/run.cpp", "#include <doctest/doctest.h>"),
            ("platforms/kernel_table.h", "#include <xsimd/xsimd.hpp>"),
        ]:
            with self.subTest(path=path, line=line):
                found = self.broken(path, "#pragma once\n" + line + "\n")
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found)

    def test_right_includes_pass(self):
        for path, line in [
            ("platforms/kernels/simd.h", "#include <xsimd/xsimd.hpp>"),
            ("platforms/threads.cpp", "#pragma omp parallel"),
            ("platforms/isa.h", '#include "tally/platforms/isa/list.inc"'),
            ("engine/onnx/reader.cpp", "#include <protozero/pbf_reader.hpp>"),
            ("engine/plan.cpp", '#include "tally/platforms/kernel_table.h"'),
            ("engine/plan.cpp", "#include <vector>"),
            ("layers/conv.cpp", '#include "tally/engine/layer.h"'),
            ("layers/conv.cpp", '#include "tally/layers/registry.h"'),
            ("tools/commands/run.cpp", '#include "tools/output/report.h"'),
            ("tools/output/report.cpp", '#include "tools/output/table.h"'),
            ("tools/bench/share_of_peak.cpp", '#include "tools/commands/commands.h"'),
            ("tools/commands/run.cpp", '#include "tally/build_info.h"'),
            ("tests/layers/conv_test.cpp", "#include <doctest/doctest.h>"),
            ("tests/layers/conv_test.cpp", '#include "tally/layers/conv.h"'),
        ]:
            with self.subTest(path=path, line=line):
                self.assertEqual(self.broken(path, line + "\n"), [])


class IsaSymbols(unittest.TestCase):
    def test_weak_symbol_outside_its_namespace_is_found(self):
        shared = "0000000000000000 W _ZSt3minIfERKT_S2_S2_"
        other = "0000000000000010 V _ZN5tally14isa_avx512vnni4kOneE"
        unique = "0000000000000020 u _ZN5xsimd5batchIfE3oneE"
        for line in (shared, other, unique):
            with self.subTest(line=line):
                self.assertEqual(len(isa_symbols.broken("avx512", line)), 1)

    def test_own_and_strong_symbols_pass(self):
        listing = "\n".join([
            "0000000000000000 W _ZN5tally10isa_avx5124gemmEv",
            "0000000000000000 W _ZN12xsimd_avx5126kernelIfE3mulE",
            "0000000000000000 T _ZN5tally10isa_avx5125tableEv",
            "                 U memcpy",
        ])
        self.assertEqual(isa_symbols.broken("avx512", listing), [])

    def test_libm_is_found(self):
        for symbol in ("expf", "tanhf", "fmaf", "sqrtf", "lrintf", "floor", "erff"):
            with self.subTest(symbol=symbol):
                self.assertEqual(len(isa_symbols.broken("scalar", f"                 U {symbol}")), 1)


class AndroidSymbols(unittest.TestCase):
    def test_what_bionic_lacks_is_found(self):
        listing = "threads.o:\n                 U aligned_alloc@GLIBC_2.16\n                 U posix_memalign\n0000 T glob\n" \
                  "                 U pthread_setaffinity_np"
        self.assertEqual(android_symbols.broken(listing), ["aligned_alloc: API level 28",
                                                           "pthread_setaffinity_np: not in bionic"])


class FileLength(unittest.TestCase):
    def test_long_file_is_found(self):
        with tree({"engine/long.cpp": "x\n" * 451, "engine/short.cpp": "x\n" * 450, "tools/a.bin": "x\n" * 900}) as root:
            self.assertEqual(file_length.too_long(root), ["engine/long.cpp: 451 lines, at most 450"])

    def test_wide_line_is_found(self):
        table = "// clang-format off\n" + "x" * 130 + "\n// clang-format on\n"
        with tree({"engine/a.cpp": "x" * 121 + "\n" + "é" * 120 + "\n", "engine/b.cpp": table}) as root:
            self.assertEqual(file_length.too_wide(root), ["engine/a.cpp:1: 121 columns, at most 120"])


if __name__ == "__main__":
    unittest.main()
