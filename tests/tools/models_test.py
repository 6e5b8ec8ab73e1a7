#!/usr/bin/env python3
"""Whole models through the program: answers, accuracies and predictions, to the image.

  models_test.py TALLY SOURCE_DIR [EMULATOR...]

Uses tools/models always, the Debian package dataset-fashion-mnist where it is installed and TALLY_TEST_DATA where it is
set; what could not run is printed as skipped.
"""

import array
import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TALLY = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
EMULATOR = sys.argv[3:]
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
DATA = os.environ.get("TALLY_TEST_DATA")
RECURRENT = ("elman", "lstm", "gru")
OURS = ("lenet5", *RECURRENT, "transformer")


def tally(*arguments):
    command = [*EMULATOR, str(TALLY), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def correct(model, data, *more):
    if EMULATOR:
        with tempfile.TemporaryDirectory() as folder:
            for file in pathlib.Path(data).glob("t10k-*.gz"):  # a cross build has no zlib
                (pathlib.Path(folder) / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
            return correct_in(model, folder, *more)
    return correct_in(model, data, *more)


def correct_in(model, data, *more):
    done = tally("eval", model, "--data", data, "--format", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["correct"]


def document(command, model, *more):
    done = tally(command, model, "--format", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class OurModels(unittest.TestCase):
    """Those of tools/models, trained on Fashion-MNIST by tools/training/train_fashion.py."""

    def file(self, name, ending):
        return SOURCE / "tools/models" / f"{name}_fashion{ending}"

    def test_records_are_of_these_files(self):
        for name in OURS:
            record = json.loads(self.file(name, ".json").read_text())
            found = hashlib.sha256(self.file(name, ".onnx").read_bytes()).hexdigest()
            self.assertEqual(found, record["onnx_sha256"], name)
            self.assertEqual(len("".join(self.file(name, "_predictions.txt").read_text().split())), 10000, name)

    def test_stored_answers(self):
        for name in OURS:
            done = tally("verify", self.file(name, ".onnx"), self.file(name, "_data"), "--atol", "1e-4")
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

    def check_to_the_image(self, name, *more):
        recorded = json.loads(self.file(name, ".json").read_text())["test_correct"]
        wanted = "".join(self.file(name, "_predictions.txt").read_text().split())
        if EMULATOR and name != "lenet5":  # minutes each under emulation
            more, recorded, wanted = (*more, "--limit", "1000"), None, wanted[:1000]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "predictions"
            right = correct(self.file(name, ".onnx"), FASHION, "--predictions", file, *more)
            self.assertEqual("".join(file.read_text().split()), wanted, name)
            if recorded is not None:
                self.assertEqual(right, recorded, name)

    @unittest.skipUnless(FASHION.exists(), "skipped: dataset-fashion-mnist is not installed")
    def test_fashion_mnist_to_the_image(self):
        for name in OURS:
            self.check_to_the_image(name)

    @unittest.skipUnless(FASHION.exists(), "skipped: dataset-fashion-mnist is not installed")
    def test_fashion_mnist_streamed_to_the_image(self):
        for name in RECURRENT:
            self.check_to_the_image(name, "--stream")

    def test_a_transformer_is_not_streamed(self):
        done = tally("run", self.file("transformer", ".onnx"), "--seed", "1", "--stream")
        self.assertEqual(done.returncode, 3, done.stdout)  # every row looks at every row

    def test_counts(self):
        T, I, H, D, F = 28, 28, 64, 64, 128
        classify = H * 10
        block = 4 * T * D * D + 2 * T * T * D + 2 * T * D * F
        block_params = 4 * (D + 1) * D + (D + 1) * F + (F + 1) * D + 2 * 2 * D
        for name, params, macs in (
                ("lenet5", 61706, 416520),
                ("elman", (I + H + 2) * H + classify + 10, T * (I + H) * H + classify),
                ("lstm", 4 * (I + H + 2) * H + classify + 10, 4 * T * (I + H) * H + classify),
                ("gru", 3 * (I + H + 2) * H + classify + 10, 3 * T * (I + H) * H + classify),
                # The table of positions counts as constants.
                ("transformer", (I + 1) * D + 2 * block_params + 2 * D + D * 10 + 10, T * I * D + 2 * block + D * 10)):
            totals = document("estimate", self.file(name, ".onnx"))["totals"]
            self.assertEqual((totals["params"], totals["macs"]), (params, macs), name)

    def test_profile_keeps_the_laws(self):
        for name in OURS:
            estimated = document("estimate", self.file(name, ".onnx"))["totals"]["macs"]
            profile = document("profile", self.file(name, ".onnx"), "--seed", "1", "--repeats", "5")
            self.assertEqual(sum(layer["ideal"]["macs"] for layer in profile["layers"]), estimated, name)
            for layer in profile["layers"]:
                gap = sum(layer["gap"]["macs"].values())
                self.assertEqual(gap, layer["executed"]["lane_macs"] - layer["ideal"]["macs"], f"{name}: {layer['name']}")


class AudioLstm(unittest.TestCase):
    """tools/models/audio_lstm.onnx: 512 time steps of one sample, LSTM of 16 units, one output."""

    FILE = SOURCE / "tools/models/audio_lstm.onnx"
    STEPS, STEP_MACS = 512, 4 * (1 + 16) * 16 + 16

    def test_ledger(self):
        ledger = document("profile", self.FILE, "--seed", "1", "--per-step", "--repeats", "3")
        self.assertEqual(ledger["schema"], "tally.ledger/1")
        self.assertEqual([step["executed"]["macs"] for step in ledger["steps"]], [self.STEP_MACS] * self.STEPS)
        self.assertEqual(ledger["totals"]["executed"]["macs"], ledger["at_once"]["executed"]["macs"])
        self.assertEqual(ledger["growth_bytes"], 0)
        self.assertGreaterEqual(ledger["kept_bytes"], 2 * 16 * 4)

    def test_bench_of_a_step(self):
        bench = document("bench", self.FILE, "--seed", "1", "--stream", "--rate", "48000", "--repeats", "20")
        self.assertTrue(bench["streamed"])
        self.assertAlmostEqual(bench["real_time_factor"], bench["batch_ns_per_run"]["median"] * 48000e-9, places=9)
        bench = document("bench", self.FILE, "--seed", "1", "--repeats", "20")
        self.assertIsNone(bench["real_time_factor"])
        self.assertIn("real_time_factor", bench["missing"])

    def test_streamed_outputs_are_those_of_the_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            outputs = []
            for more in ([], ["--stream"]):
                done = tally("run", self.FILE, "--seed", "7", "-o", f"{folder}/{len(outputs)}", *more)
                self.assertEqual(done.returncode, 0, done.stderr)
                stored = (pathlib.Path(folder) / str(len(outputs)) / "output_0.npy").read_bytes()
                outputs.append(array.array("f", stored[-4 * self.STEPS:]))
            # A product of one row sums in another order than one of all.
            self.assertLess(max(abs(a - b) for a, b in zip(*outputs)), 1e-6)

    def test_too_many_steps(self):
        done = tally("run", self.FILE, "--seed", "1", "--stream", "--steps", "513")
        self.assertEqual(done.returncode, 3)
        self.assertIn("at least 513", done.stderr)

    def test_no_decoder(self):
        done = tally("generate", self.FILE, "--tokens", "1", "--steps", "3")
        self.assertEqual(done.returncode, 3)
        self.assertIn("token", done.stderr)


class OtherModels(unittest.TestCase):
    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_mnist_accuracies(self):
        folder = pathlib.Path(DATA)
        for name, right in (("lenet5", 9925), ("lenet5_relu_maxpool", 9934), ("dscnn", 9946)):
            self.assertEqual(correct(folder / "mnist-models" / name / "model.onnx", folder / "mnist"), right, name)

    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_pretrained_answers(self):
        folder = pathlib.Path(DATA)
        names = ["mnist-models/lenet5", "mnist-models/lenet5_relu_maxpool", "mnist-models/dscnn", "pretrained/mnist_cntk",
                 "pretrained/mlperf_vww_mobilenetv1", "pretrained/mlperf_ad01"]
        if not EMULATOR:  # minutes each under emulation
            names += ["pretrained/mobilenetv2_fp32", "onnx-light/resnet50", "onnx-light/vgg19"]
        for name in names:
            done = tally("verify", folder / name / "model.onnx", "--rtol", "1e-3", "--atol", "1e-5")
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_quantised_accuracies(self):
        folder = pathlib.Path(DATA)
        for name, right in (("int8_qdq", 9933), ("int8_qoperator", 9934)):
            model = folder / "mnist-models" / f"lenet5_relu_maxpool_{name}" / "model.onnx"
            self.assertEqual(correct(model, folder / "mnist"), right, name)
            totals = document("estimate", model)["totals"]
            self.assertEqual((totals["params"], totals["macs"]), (61706, 416520), name)
        if EMULATOR:  # plain loops: minutes each under emulation
            return
        for name, right in (("gru_h64", 1967), ("lenet5_relu_maxpool", 1980), ("transformer_d64", 1972)):
            model = folder / "mnist-models" / f"{name}_fp16" / "model.onnx"
            self.assertEqual(correct(model, folder / "mnist", "--limit", "2000"), right, name)

    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_quantised_answers(self):
        folder = pathlib.Path(DATA)
        cases = [case for kind in ("quantizelinear", "qlinear", "integer")
                 for case in (folder / "onnx-backend-tests/node").glob(f"test_*{kind}*")]
        self.assertGreaterEqual(len(cases), 14)
        for case in cases:
            done = tally("verify", case / "model.onnx", "--rtol", "1e-3", "--atol", "1e-7")
            self.assertEqual(done.returncode, 0, f"{case.name}: {done.stdout}{done.stderr}")

    @unittest.skipUnless(DATA and not EMULATOR, "skipped: TALLY_TEST_DATA is not set, or emulated")
    def test_quantised_mobilenet(self):
        folder = pathlib.Path(DATA) / "pretrained/mobilenetv2_int8_qdq"
        model = folder / "model.onnx"
        # A sum in another order now and then falls into the next of 256 steps, and 52 layers carry that on: the
        # instruction sets differ by up to 2.04 from each other, as from the stored answers.
        done = tally("verify", model, "--rtol", "0", "--atol", "3")
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}")
        for data_set, label in ((0, 1), (1, 614)):  # goldfish, kimono
            with tempfile.TemporaryDirectory() as out:
                done = tally("run", model, "-i", folder / f"test_data_set_{data_set}/input_0.pb", "-o", out)
                self.assertEqual(done.returncode, 0, done.stderr)
                scores = array.array("f", (pathlib.Path(out) / "output_0.npy").read_bytes()[-4000:])
            self.assertEqual(scores.index(max(scores)), label)
        totals = document("estimate", model, "--dim", "batch=1")["totals"]
        fp32 = document("estimate", folder.parent / "mobilenetv2_fp32/model.onnx")["totals"]
        for figure in ("params", "macs", "macs_nopad"):
            self.assertEqual(totals[figure], fp32[figure], figure)

    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_recurrent_answers(self):
        folder = pathlib.Path(DATA)
        cases = [case for kind in ("gru", "lstm", "rnn")
                 for case in (folder / "onnx-backend-tests/node").glob(f"test_*{kind}_*") if (case / "test_data_set_0").exists()]
        self.assertGreaterEqual(len(cases), 9)
        for case in cases:
            done = tally("verify", case / "model.onnx", "--rtol", "1e-3", "--atol", "1e-6")
            self.assertEqual(done.returncode, 0, f"{case.name}: {done.stdout}{done.stderr}")
        for name in ("rtneural/gru_torch", "rtneural/lstm", "rtneural/lstm_1d", "pretrained/amp_nam_lstm"):
            for more in ([], ["--stream"]):
                done = tally("verify", folder / name / "model.onnx", "--rtol", "1e-3", "--atol", "1e-5", *more)
                self.assertEqual(done.returncode, 0, f"{name} {more}: {done.stdout}{done.stderr}")
        for more in ([], ["--stream"]):
            for name in ("rnnoise_gru", "llama_260k_t32"):  # logits reach 13: 1e-5 of the largest
                done = tally("verify", folder / "pretrained" / name / "model.onnx", "--rtol", "1e-3", "--atol", "1e-4", *more)
                self.assertEqual(done.returncode, 0, f"{name} {more}: {done.stdout}{done.stderr}")

    @unittest.skipUnless(DATA, "skipped: TALLY_TEST_DATA is not set")
    def test_a_decoder_generates(self):
        model = pathlib.Path(DATA) / "pretrained/llama_260k_t32/model.onnx"
        greedy = document("generate", model, "--tokens", "1", "--steps", "32")
        self.assertEqual(len(greedy["tokens"]), 32)
        again = document("generate", model, "--tokens", ",".join(map(str, [1, *greedy["tokens"][:5]])), "--steps", "4")
        self.assertEqual(again["tokens"], greedy["tokens"][5:9])
        drawn = [document("generate", model, "--tokens", "1", "--steps", "8", "--temperature", "1", "--seed", seed)["tokens"]
                 for seed in ("3", "3", "4")]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        self.assertEqual(tally("generate", model, "--tokens", "1", "--steps", "33").returncode, 3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
