#!/usr/bin/env python3
"""The page of `tally report`, the JUnit file of `tally check`: read as XML, and held to what they promise.

  page_test.py TALLY SOURCE_DIR [EMULATOR...]
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

TALLY = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
EMULATOR = sys.argv[3:]
MODELS = SOURCE / "tools/models"
X = "{http://www.w3.org/1999/xhtml}"

HOSTILE = '</title></style></script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\'"]]>-->\u202egnp\x01\ufffe'


def tally(*arguments):
    return subprocess.run([*EMULATOR, TALLY, *map(str, arguments)], capture_output=True, text=True)


def page_of(folder, *documents):
    """The page of these documents (each a JSON value or a file's name) as text and as XML."""
    files = []
    for index, document in enumerate(documents):
        file = pathlib.Path(folder, f"{index}.json")
        file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        files.append(file)
    done = tally("report", *files)
    assert done.returncode == 0, done.stderr
    return done.stdout, ElementTree.fromstring(done.stdout)


def document_of(command, model, *more):
    done = tally(command, MODELS / model, "--format", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def hostile(value, name=HOSTILE):
    """The document with every text of the model's and the machine's replaced."""
    if isinstance(value, dict):
        return {key: item if key == "schema" else hostile(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, name) for item in value]
    return name if isinstance(value, str) else value


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.profile = document_of("profile", "lenet5_fashion.onnx", "--seed", 1, "--repeats", 7)
        cls.bench = document_of("bench", "lenet5_fashion.onnx", "--seed", 1, "--repeats", 50)
        cls.estimate = document_of("estimate", "lenet5_fashion.onnx")
        cls.ledger = document_of("profile", "lstm_fashion.onnx", "--seed", 1, "--repeats", 3, "--per-step")
        cls.machine = {
            "schema": "tally.machine/1", "machine": {"cpu": cls.profile["machine"]["cpu"]},
            "clusters": [{"peaks": [{"dtype": "fp32", "isa": cls.profile["machine"]["isa"],
                                     "macs_per_s": {"one_core": {"value": 58.8e9, "source": "measured"}, "all_cores": None}}],
                          "levels": [{"name": name, "read_bytes_per_s": {"one_core": {"value": rate, "source": "measured"}}}
                                     for name, rate in (("L1", 216e9), ("L2", 110e9), ("L3", 99e9), ("dram", 22e9))]}]}
        cls.all = [cls.profile, cls.bench, cls.estimate, cls.ledger, cls.machine]
        cls.text, cls.page = page_of(cls.folder.name, *cls.all)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def classes(self, name, root=None):
        return [e for e in (self.page if root is None else root).iter() if name in e.get("class", "").split()]

    def test_every_kind_has_its_section(self):
        headings = [e.text for e in self.page.iter(X + "h3")]
        for heading in ("Where it goes", "Roofline", "Layer by layer", "Why executed differs from ideal", "Latency",
                        "Time of each step", "Totals", "Limits", "Side by side"):
            self.assertIn(heading, headings)

    def test_nothing_comes_from_elsewhere(self):
        for element in self.page.iter():
            for name, value in element.attrib.items():
                if name in ("src", "srcset", "action", "data", "poster", "background"):
                    self.fail(f"{element.tag} {name}={value}")
                if name == "href":
                    self.assertRegex(value, r"^(#|data:,$)")
                self.assertFalse(name.startswith("on"), f"{element.tag} {name}={value}")
        style = self.page.find(f".//{X}style").text
        self.assertNotIn("url(", style)
        self.assertNotIn("@import", style)
        self.assertEqual(len(list(self.page.iter(X + "script"))), 1)

    def test_policy_names_the_script(self):
        import base64
        import hashlib
        policy = next(e.get("content") for e in self.page.iter(X + "meta") if e.get("http-equiv"))
        script = self.page.find(f".//{X}script").text
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self.assertIn(f"script-src 'sha256-{digest}'", policy)
        self.assertIn("default-src 'none'", policy)

    def test_roofs_are_drawn_over_points(self):
        self.assertEqual(len(self.classes("roof")), 2 * 5)  # four levels and one peak, over the profile and the estimate
        self.assertIn("58.8", self.text)
        _, alone = page_of(self.folder.name, self.profile)
        self.assertEqual(self.classes("roof", alone), [])
        notes = [e.text for e in self.classes("note", alone)]
        self.assertTrue(any(note.startswith("No roofs are drawn: ") for note in notes), notes)

    def test_marks_can_be_reached_and_have_names(self):
        marks = self.classes("mark")
        self.assertGreater(len(marks), 50)
        for mark in marks:
            self.assertEqual(mark.get("tabindex"), "0")
            self.assertEqual(mark.get("role"), "img")
            self.assertTrue(mark.get("aria-label"))
            self.assertEqual(mark.find(X + "title").text, mark.get("aria-label"))
        for svg in self.page.iter(X + "svg"):
            self.assertTrue(svg.get("aria-label") or svg.get("aria-hidden") == "true")

    def test_each_chart_stands_beside_a_table(self):
        for figure in self.page.iter(X + "figure"):
            heading = figure.find(X + "h3").text
            drawn = self.classes("area", figure) + self.classes("bar", figure)
            if drawn and " each step" not in heading and " after each" not in heading:  # those share one table
                self.assertIsNotNone(figure.find(f".//{X}table"), heading)
        for table in self.page.iter(X + "table"):
            self.assertTrue(table.find(X + "caption").text)
            for heading in table.find(X + "thead").iter(X + "th"):
                self.assertEqual(heading.get("scope"), "col")
            for row in table.find(X + "tbody").iter(X + "tr"):
                self.assertEqual(row[0].get("scope"), "row")

    def test_ids_and_links(self):
        for page in (self.page, page_of(self.folder.name, self.profile, self.machine)[1], page_of(self.folder.name, self.bench)[1]):
            ids = [e.get("id") for e in page.iter() if e.get("id")]
            self.assertEqual(len(ids), len(set(ids)))
            for link in page.iter(X + "a"):
                self.assertIn(link.get("href")[1:], ids)

    def test_figures_are_there(self):
        text = "".join(self.page.itertext())
        for figure in ("416,520", "61,706", "117,600"):
            self.assertIn(figure, text)

    def test_bars_stay_within_their_picture(self):
        for bar in self.classes("bar"):
            for rect in bar.iter(X + "rect"):
                x, width = float(rect.get("x")[:-1]), float(rect.get("width")[:-1])
                self.assertTrue(0 <= x <= 100 and 0 <= width and x + width <= 100.01, (x, width))

    def test_hostile_names_stay_words(self):
        text, page = page_of(self.folder.name, *map(hostile, self.all))
        tags = {e.tag for e in page.iter()}
        self.assertFalse({X + "img"} & tags)
        self.assertEqual(len(list(page.iter(X + "script"))), 1)
        self.assertNotIn("<script>alert", text)
        self.assertNotIn("\u202e", text)
        self.assertNotIn("\x01", text)
        self.assertIn("&lt;script&gt;alert(1)", text)

    def test_documents_of_little(self):
        for kind in ("profile", "bench", "estimate", "ledger", "machine"):
            with self.subTest(kind=kind):
                page_of(self.folder.name, {"schema": f"tally.{kind}/1"})
        page_of(self.folder.name, *[{"schema": "tally.profile/1", "layers": [{"name": "a"}], "totals": None}] * 3)

    def test_documents_of_absurd_figures(self):
        layers = []
        for macs in (0, 1, -5, 2**63 - 1):
            for ns in (0, -3, 1e-300, 1e300):
                layers.append({"name": "a", "ideal": {"macs": macs, "bytes_read": macs},
                               "executed": {"macs": macs, "lane_macs": macs, "bytes_loaded": macs, "bytes_stored": 1},
                               "gap": {"macs": {"t": macs}}, "measured": {"ns": {"median": ns}}})
        text, _ = page_of(self.folder.name, {"schema": "tally.profile/1", "layers": layers}, self.machine)
        for word in ("nan", "inf%"):
            self.assertNotIn(f'"{word}', text)
        page_of(self.folder.name, {"schema": "tally.bench/1", "latency_ns": {"median": 1e300, "p99": -1},
                                   "latency_histogram": {"from_ns": 1e300, "width_ns": 1e-300, "counts": [0, 2**62], "above": 1}})
        page_of(self.folder.name, {"schema": "tally.ledger/1", "steps": [
            {"step": -2**63, "ns": {"median": 1e300}}, {"step": 2**63 - 1, "ns": {"median": 1}}]})

    def test_many_layers_make_no_monster(self):
        layer = self.profile["layers"][0]
        many = dict(self.profile, layers=[dict(layer, name=f"layer {k}", nodes=[f"layer {k}"]) for k in range(3000)])
        text, page = page_of(self.folder.name, many)
        self.assertLess(len(text), 4_000_000)
        self.assertEqual(len(self.classes("layer", page)), 40)

    def test_contrast(self):
        style = self.page.find(f".//{X}style").text
        light = dict(re.findall(r"--([\w-]+):(#\w{6})", style.split("@media")[0]))
        dark = dict(re.findall(r"--([\w-]+):(#\w{6})", style.split("prefers-color-scheme:dark")[1].split("*{")[0]))
        printed = dict(re.findall(r"--([\w-]+):(#\w{6})", style.split("@media print")[1]))
        self.assertEqual(set(light), set(dark))
        for name, colours in (("light", light), ("dark", dark), ("print", printed)):
            pairs = [("ink", "page"), ("ink", "panel"), ("soft", "page"), ("soft", "panel")]
            if name != "print":
                pairs += [("link", "page"), ("warn-ink", "warn-page")]
            pairs += [("on", f"c{k}") for k in range(9)]
            for words, ground in pairs:
                ratio = contrast(colours[words], colours[ground])
                self.assertGreaterEqual(ratio, 4.5, f"{name}: {words} on {ground} is {ratio:.2f}")
            marks = [f"c{k}" for k in range(9)] + ["ideal", "weights", "written", "executed", "extra", "measured", "saved", "host", "rule"]
            for mark in marks:
                for ground in ("page", "panel"):
                    ratio = contrast(colours[mark], colours[ground])
                    self.assertGreaterEqual(ratio, 3, f"{name}: {mark} on {ground} is {ratio:.2f}")
            if name != "print":
                self.assertGreaterEqual(contrast(colours["focus"], colours["page"]), 3)

    def test_style_knows_phones_paper_and_motion(self):
        style = self.page.find(f".//{X}style").text
        for words in ("@media print", "prefers-color-scheme:dark", "prefers-reduced-motion", "forced-colors"):
            self.assertIn(words, style)
        viewport = next(e.get("content") for e in self.page.iter(X + "meta") if e.get("name") == "viewport")
        self.assertEqual(viewport, "width=device-width, initial-scale=1")


class Junit(unittest.TestCase):
    def test_suite(self):
        with tempfile.TemporaryDirectory() as folder:
            budget, junit = pathlib.Path(folder, "budget.json"), pathlib.Path(folder, "junit.xml")
            budget.write_text(json.dumps({"params": 1, "macs": 416520, "layers": [{"op": "Gemm", "params": 850}]}))
            done = tally("check", MODELS / "lenet5_fashion.onnx", "--budget", budget, "--junit", junit)
            self.assertEqual(done.returncode, 1, done.stderr)
            root = ElementTree.parse(junit).getroot()
            self.assertEqual(root.tag, "testsuites")
            suite = root.find("testsuite")
            cases = suite.findall("testcase")
            self.assertEqual(suite.get("tests"), str(len(cases)))
            self.assertEqual(len(cases), 5)
            failures = [case.get("classname") for case in cases if case.find("failure") is not None]
            self.assertEqual(suite.get("failures"), str(len(failures)))
            self.assertEqual(len(failures), 3)
            self.assertIn("tally check lenet5_fashion./fc1/Gemm", failures)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
