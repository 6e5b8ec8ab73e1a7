"""tools/bench/size_report.py, on a small map of GNU ld.

  size_report_test.py SOURCE_DIR
"""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(sys.argv[1], "tools/bench")))
import size_report  # noqa: E402

MAP = """Archive member included to satisfy reference by file (symbol)

 .text          0x0000000000000000       0x99 not_of_the_memory_map.o

Discarded input sections

 .text          0x0000000000000000       0x77 libtally_layers.a(gone.cpp.o)

Linker script and memory map

.init           0x0000000000400000       0x10
 .init          0x0000000000400000       0x10 /usr/lib/aarch64-linux-gnu/crti.o

.text           0x0000000000400100     0x1000
 *(.text.unlikely .text.*_unlikely .text.unlikely.*)
 .text.unlikely
                0x0000000000400100       0x20 libtally_engine.a(plan.cpp.o)
 .text._ZN5tally4convEv
                0x0000000000400120      0x100 libtally_layers.a(conv.cpp.o)
                0x0000000000400120                tally::conv()
 .text          0x0000000000400220        0x0 libtally_layers.a(conv.cpp.o)
 *fill*         0x0000000000400220        0x8 
 .text          0x0000000000400228       0x40 tools/CMakeFiles/tally.dir/main.cpp.o
 .text          0x0000000000400268       0x80 /usr/lib/gcc-cross/aarch64-linux-gnu/12/libstdc++.a(ios.o)

.rodata         0x0000000000401000       0x30
 .rodata        0x0000000000401000       0x30 libtally_platforms.a(neon64.cpp.o)

.bss            0x0000000000402000       0x50
 .bss           0x0000000000402000       0x50 /usr/aarch64-linux-gnu/lib/libc.a(malloc.o)

.debug_info     0x0000000000000000      0x500
 .debug_info    0x0000000000000001      0x500 libtally_layers.a(conv.cpp.o)
"""


class Map(unittest.TestCase):
    def test_bytes_are_sorted_by_floor_and_kind(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "tally.map")
            file.write_text(MAP)
            floors, objects = size_report.read_map(file)
        self.assertEqual({floor: dict(kinds) for floor, kinds in floors.items()},
                         {"C library": {"code": 0x10, "zeroed": 0x50}, "engine": {"code": 0x20},
                          "layers": {"code": 0x100}, "tools": {"code": 0x40}, "C++ library": {"code": 0x80},
                          "platforms": {"constants": 0x30}})
        self.assertEqual(objects["layers", "libtally_layers.a(conv.cpp.o)"], 0x100)

    def test_sources_belong_to_floors(self):
        for source, floor in (("CMakeFiles/tally_isa_avx2.dir/platforms/isa/avx2.cpp.o", "platforms"),
                              ("tools/libtally_tools.a(table.cpp.o)", "tools"), ("/usr/lib/libgomp.a(team.o)", "OpenMP"),
                              ("/usr/lib/gcc/12/libgcc_eh.a(unwind.o)", "compiler"), ("/usr/lib/libm.a(e_exp.o)", "C library"),
                              ("/usr/lib/crt1.o", "C library"), ("/usr/lib/gcc/12/crtbeginT.o", "C library")):
            self.assertEqual(size_report.floor_of(source), floor, source)

    def test_tables_have_a_column_a_build(self):
        reports = [{"build": "a", "file": 10, "loaded": 1500, "floors": {"engine": {"code": 1500, "total": 1500}}}]
        rows = {row[0]: row[1:] for row in size_report.table(reports)}
        self.assertEqual(rows["engine"], ["1,500"])
        self.assertEqual(rows["of it code"], ["1,500"])
        self.assertEqual(rows["file, stripped"], ["10"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
