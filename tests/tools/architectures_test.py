#!/usr/bin/env python3
"""Published networks and textbook examples, estimated to the integer from files without weights.

  architectures_test.py TALLY SOURCE_DIR [EMULATOR...]

The files are written by tools/training/make_architectures.py into a temporary folder.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TALLY = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
EMULATOR = sys.argv[3:]
sys.path.insert(0, str(SOURCE / "tools/training"))
import make_architectures  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()


def model(name):
    file = pathlib.Path(FOLDER.name) / f"{name}.onnx"
    if not file.exists():
        net, outputs = make_architectures.NETWORKS[name]()
        net.name = name
        net.save(outputs, file)
    return file


def tally(*arguments):
    return subprocess.run([*EMULATOR, str(TALLY), *map(str, arguments)], capture_output=True, text=True)


def document(name, *more):
    done = tally("estimate", model(name), "--format", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def totals(name, *more):
    return document(name, *more)["totals"]


class Networks(unittest.TestCase):
    # Params and MACs as the papers' authors, torchvision and the counting tools give them, biases in params only.
    PUBLISHED = {
        "alexnet": (61_100_840, 714_188_480),
        "alexnet_paper": (60_965_224, 724_406_816),
        "vgg16": (138_357_544, 15_470_264_320),
        "vgg19": (143_667_240, 19_632_062_464),
        "googlenet": (6_998_552, 1_582_671_872),
        "resnet18": (11_689_512, 1_814_073_344),
        "resnet34": (21_797_672, 3_663_761_408),
        "resnet50": (25_557_032, 4_089_184_256),
        "resnet101": (44_549_160, 7_801_405_440),
        "resnet152": (60_192_808, 11_513_626_624),
        "densenet121": (7_978_856, 2_834_161_664),
        "mobilenet_v1": (4_231_976, 568_740_352),
        "mobilenet_v2": (3_504_872, 300_774_272),
        "squeezenet1_0": (1_248_424, 818_924_576),
        "squeezenet1_1": (1_235_496, 349_151_936),
    }

    def test_images(self):
        for name, published in self.PUBLISHED.items():
            t = totals(name)
            self.assertEqual((t["params"], t["macs"]), published, name)
            self.assertLessEqual(t["macs_nopad"], t["macs"], name)

    def test_buffers_are_those_of_batch_normalization(self):
        self.assertEqual(totals("resnet18")["buffers"], 2 * 4800)
        self.assertEqual(totals("resnet50")["buffers"], 2 * 26_560)
        self.assertEqual(totals("vgg16")["buffers"], 0)

    def test_whisper(self):
        for name, published, D, blocks in (("whisper_tiny", 37_184_640, 384, 4), ("whisper_base", 71_825_920, 512, 6)):
            t, S, V = 448, 1500, 51865
            encoder = 2 * S * 80 * 3 * D + S * D * D * 3 + blocks * (12 * S * D * D + 2 * S * S * D)
            own = 4 * t * D * D + 2 * t * t * D                  # self-attention
            cross = 2 * t * D * D + 2 * S * D * D + 2 * t * S * D
            decoder = blocks * (own + cross + 8 * t * D * D) + t * D * V
            found = totals(name)
            self.assertEqual(found["params"], published, name)
            self.assertEqual(found["macs"], encoder + decoder, name)
            self.assertEqual(found["params_shared"], V * D, name)  # the token table gives the logits too
            self.assertEqual(found["constants"], S * D, name)      # sines

    def test_gpt2_block(self):
        D = 768
        for B, T in ((1, 1024), (4, 128)):
            t = totals("gpt2_block", "--dim", f"batch={B}", "--dim", f"sequence={T}")
            self.assertEqual(t["params"], 12 * D * D + 13 * D)
            self.assertEqual(t["macs"], B * (12 * T * D * D + 2 * T * T * D))

    def test_recurrent_stacks(self):
        T, I, H = 100, 40, 128
        for name, gates, D in (("elman_stack", 1, 1), ("gru_stack", 3, 1), ("lstm_stack", 4, 1),
                               ("lstm_bidirectional", 4, 2)):
            widths = (I, D * H)
            t = totals(name)
            self.assertEqual(t["params"], sum(D * gates * (i + H + 2) * H for i in widths), name)
            self.assertEqual(t["macs"], sum(T * D * gates * (i + H) * H for i in widths), name)


class Textbook(unittest.TestCase):
    def test_linear(self):
        self.assertEqual(totals("linear_100_10")["params"], 1010)
        self.assertEqual(totals("linear_100_10")["ops_sequential"], 2000)
        self.assertEqual(totals("linear_4096_1000")["ops_sequential"], 8_192_000)
        self.assertEqual(totals("linear_100_10")["training_elements"], 2 * (101 * 10 + 100 + 10))

    def test_convolution(self):
        self.assertEqual(totals("conv_six_5x5")["ops_sequential"], 43_560_000)
        self.assertEqual(totals("conv_sixteen_3x3")["ops_sequential"], 42_581_376)
        for name, macs in (("conv_depthwise", 903_168), ("conv_grouped", 14_450_688), ("conv_pointwise", 6_422_528)):
            self.assertEqual(totals(name)["macs"], macs, name)

    def test_intensity_at_16_bit(self):
        self.assertEqual(round(totals("linear_half_512")["intensity"]), 315)
        self.assertEqual(round(totals("linear_half_1")["intensity"], 1), 1.0)
        self.assertEqual(totals("relu_half")["intensity"], 0.25)


class OtherTools(unittest.TestCase):
    def check(self, name, tool, printed, *more):
        found = document(name, "--as", tool, *more)["as"][0]
        self.assertEqual(found["macs"] + sum(term["value"] for term in found["terms"]), found["printed"], (name, tool))
        self.assertEqual(found["printed"], printed, (name, tool))
        return {term["term"]: term for term in found["terms"]}

    def test_what_users_of_the_tools_report(self):
        """thop's documentation and its users give these figures of torchvision's models."""
        self.check("resnet18", "thop", 1_824_033_792)
        self.check("resnet50", "thop", 4_133_742_592)
        self.check("resnet101", "thop", 7_866_435_584)
        self.check("resnet152", "thop", 11_603_945_472)
        # torchvision's DenseNet pools by a function, which thop does not see.
        self.check("densenet121", "thop", 2_897_007_104 + 50 * 1024)

    def test_resnet50_by_every_rule(self):
        macs, normalized, rectified, pooled = 4_089_184_256, 11_113_984, 9_608_704, 802_816
        self.check("resnet50", "fvcore", macs + 2 * normalized + 2048 * 49)
        self.check("resnet50", "flopco", macs)
        self.check("resnet50", "torchinfo", macs + 53_120 + 1000)
        pools = pooled + 2048 * 49
        terms = self.check("resnet50", "ptflops", macs + 2 * normalized + 2 * rectified + 2 * pools + 1000)
        self.assertEqual(terms["module_and_function"]["value"], rectified + pools)
        self.assertTrue(terms["module_and_function"]["error"])
        added = sum(n * c * hw for n, c, hw in ((3, 256, 3136), (4, 512, 784), (6, 1024, 196), (3, 2048, 49)))
        self.check("resnet50", "onnx-tool", macs + 31 * normalized + rectified + added + 9 * 64 * 3136 +
                   2048 * 49 + 4 * 2048 + 1000)

    def test_known_errors_are_named(self):
        lstm = totals("lstm_stack")["macs"]
        self.assertTrue(self.check("lstm_stack", "fvcore", 0)["recurrent_as_0"]["error"])
        self.check("lstm_stack", "flopco", 0)
        cells = sum(4 * (i + 128) * 128 for i in (40, 128))
        terms = self.check("lstm_stack", "onnx-tool", cells + 2 * 8 * 128)
        self.assertEqual(terms["one_time_step"]["value"], cells - lstm)
        self.assertTrue(terms["one_time_step"]["error"])
        self.check("elman_stack", "onnx-tool", 0)
        # 32 channels in 4 groups of 8: FlopCo takes one channel of each group.
        self.assertTrue(self.check("conv_grouped", "flopco", 14_450_688 // 8)["grouped_conv"]["error"])
        # Twice the channels in, half the channels out, four times the pixels: twice over.
        terms = self.check("conv_transpose", "onnx-tool", 2 * 6_422_528)
        self.assertTrue(terms["transposed_conv"]["error"])
        for tool in ("thop", "ptflops", "torchinfo"):
            self.check("conv_transpose", tool, 4 * 6_422_528)
        self.check("conv_transpose", "fvcore", 6_422_528)

    def test_recurrent_cells(self):
        T, H, lstm = 100, 128, totals("lstm_stack")["macs"]
        self.check("lstm_stack", "thop", lstm + 2 * T * (4 * 3 + 4) * H)
        self.check("lstm_stack", "ptflops", lstm + 2 * T * (10 + 8) * H)
        self.check("lstm_stack", "torchinfo", lstm + 2 * T * 8 * H)
        gru = totals("gru_stack")["macs"]
        self.check("gru_stack", "thop", gru + 2 * T * (3 * 3 + 4) * H)
        self.check("gru_stack", "ptflops", gru + 2 * T * (7 + 6) * H)
        elman = totals("elman_stack")["macs"]
        self.check("elman_stack", "thop", elman + 2 * T * 3 * H)
        self.check("elman_stack", "ptflops", elman + 2 * T * (1 + 2) * H)

    def test_attention_and_sequences(self):
        T, D, dims = 1024, 768, ("--dim", "batch=1", "--dim", "sequence=1024")
        macs, products = 12 * T * D * D + 2 * T * T * D, 2 * T * T * D
        norms = 2 * T * D
        self.check("gpt2_block", "fvcore", macs + 5 * norms, *dims)
        softmax = 12 * T * (3 * T - 1)
        self.check("gpt2_block", "thop", macs - products + 4 * norms + softmax, *dims)
        biases = 9 * D
        terms = self.check("gpt2_block", "torchinfo", 12 * D * D + biases + 4 * D, *dims)
        self.assertEqual(terms["functions_as_0"]["value"], -products)
        self.check("gpt2_block", "ptflops", macs + biases * T + norms + 2 * 4 * T * D + 12 * T * T, *dims)
        self.check("gpt2_block", "flopco", 12 * D * D, *dims)

    def test_all_of_them(self):
        names = ["fvcore", "thop", "flopco", "ptflops", "torchinfo", "onnx-tool"]
        self.assertEqual([count["tool"] for count in document("resnet18", "--as", "all")["as"]], names)
        self.assertEqual([count["tool"] for count in document("resnet18", "--as", "thop,all", "--as", "fvcore")["as"]],
                         ["thop", "fvcore", *names[2:]])

    def test_an_unknown_tool_is_refused(self):
        done = tally("estimate", model("linear_100_10"), "--as", "abacus")
        self.assertEqual(done.returncode, 2)
        self.assertIn("must be one of fvcore, thop, flopco, ptflops, torchinfo, onnx-tool, all", done.stderr)


class Sections(unittest.TestCase):
    def test_scopes_nest_and_sum(self):
        found = document("resnet50", "--depth", "2")
        scopes = {s["scope"]: s for s in found["scopes"]}
        whole = scopes[""]
        for figure in ("params", "macs", "bytes_read", "bytes_weights", "bytes_written", "operations"):
            self.assertEqual(whole[figure], found["totals"][figure])
            self.assertEqual(scopes["/layer1"][figure],
                             sum(scopes[f"/layer1/layer1.{i}"][figure] for i in range(3)), figure)
        self.assertEqual(whole["layers"], len(found["layers"]))
        self.assertEqual(scopes["/layer1/layer1.0"]["params"], 75_008)  # 64·64 + 9·64·64 + 2·64·256, and norms
        self.assertNotIn("/layer1/layer1.0/conv1", scopes)
        deepest = [s["scope"] for s in document("resnet50", "--depth", "9")["scopes"]]
        self.assertIn("/layer1/layer1.0/layer1.0.conv1", deepest)

    def test_batches_and_sequences_are_swept(self):
        points = document("resnet18", "--sweep", "batch=1,8,64")["sweep"]
        self.assertEqual([p["at"]["batch"] for p in points], [1, 8, 64])
        self.assertEqual([p["macs"] for p in points], [n * 1_814_073_344 for n in (1, 8, 64)])
        self.assertEqual({p["params"] for p in points}, {11_689_512})
        D = 768
        points = document("gpt2_block", "--sweep", "batch=1,2", "--sweep", "sequence=64,256,1024")["sweep"]
        self.assertEqual([p["macs"] for p in points],
                         [B * (12 * T * D * D + 2 * T * T * D) for B in (1, 2) for T in (64, 256, 1024)])
        points = document("elman_stack", "--sweep", "input.0=1,50")["sweep"]
        self.assertEqual(points[1]["macs"], 50 * points[0]["macs"])

    def test_every_cost_has_its_why(self):
        found = document("whisper_tiny")
        coverage = found["coverage"]
        self.assertEqual(coverage["exact"] + coverage["free"], len(found["layers"]))
        self.assertEqual((coverage["approximate"], coverage["unknown"]), (0, 0))
        self.assertTrue(all(entry["why"] for entry in coverage["ledger"]))
        self.assertTrue(all("reason" in layer for layer in found["layers"] if layer["coverage"] == "free"))

    def test_where_most_lives(self):
        found = document("resnet18")
        layers = {layer["name"]: layer["live_bytes"] for layer in found["layers"]}
        peak = found["totals"]["peak_activation_bytes"]
        self.assertEqual(max(layers.values()), peak)
        self.assertEqual(layers[found["totals"]["peak_activation_layer"]], peak)
        self.assertEqual(peak, 4 * (64 * 112 * 112 + 64 * 56 * 56))  # while the first map is pooled

    def test_model_bytes(self):
        found = document("resnet50")["model_bytes"]
        elements = 25_557_032 + 53_120
        self.assertEqual(found, {"elements": elements, "stored": 4 * elements, "fp32": 4 * elements,
                                 "fp16": 2 * elements, "int8": elements})

    def test_refusals(self):
        for more in (("--depth", "0"), ("--plot", "macs"), ("--sweep", "batch=1", "--plot", "colour"),
                     ("--sweep", "batch=1", "--energy"), ("--sweep", "nothing=1"), ("--grid", "5"),
                     ("--energy", "--grid", "-1"), ("--what-if", "prune=2"), ("--sweep", "batch=1", "--seed", "1")):
            done = tally("estimate", model("linear_100_10"), *more)
            self.assertEqual((done.returncode, done.stdout), (2, ""), f"{more}: {done.stderr}")
        # A batch that the file's Reshape does not follow: named, with the point.
        done = tally("estimate", model("gpt2_block"), "--sweep", "hidden.2=512", "--dim", "batch=1", "--dim", "sequence=8")
        self.assertEqual(done.returncode, 3)
        self.assertIn("at hidden.2=512: ", done.stderr)

    def test_widths(self):
        """No table is wider than 100 columns."""
        for name in ("resnet50", "whisper_tiny", "lstm_stack"):
            for more in ((), ("--depth", "4"), ("--as", "all"), ("--coverage",),
                         ("--training", "--energy"), ("--what-if", "dtype=int8,prune=0.5,rank=0.25"),
                         ("--sweep", "batch=1,2", "--plot", "macs") if name == "resnet50" else ()):
                done = tally("estimate", model(name), *more)
                self.assertEqual(done.returncode, 0, done.stderr)
                for line in done.stdout.splitlines():
                    self.assertLessEqual(len(line), 100, f"{name} {more}: {line}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
