#!/usr/bin/env python3
"""Whole models through the program: answers, accuracies and predictions, to the image.

  models_test.py TALLY SOURCE_DIR [EMULATOR...]

Uses tools/models always, the Debian package dataset-fashion-mnist where it is installed and TALLY_TEST_DATA where it is
set; what could not run is printed as skipped.
"""

import gzip
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


class Models(unittest.TestCase):
    def test_stored_answers(self):
        done = tally("verify", SOURCE / "tools/models/lenet5_fashion.onnx", SOURCE / "tools/models/lenet5_fashion_data",
                     "--atol", "1e-4")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(FASHION.exists(), "skipped: dataset-fashion-mnist is not installed")
    def test_fashion_mnist_to_the_image(self):
        model = SOURCE / "tools/models/lenet5_fashion.onnx"
        recorded = json.loads((SOURCE / "tools/models/lenet5_fashion.json").read_text())["test_correct"]
        wanted = "".join((SOURCE / "tools/models/lenet5_fashion_predictions.txt").read_text().split())
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "predictions"
            self.assertEqual(correct(model, FASHION, "--predictions", file), recorded)
            self.assertEqual("".join(file.read_text().split()), wanted)

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
        done = tally("verify", folder / "pretrained/rnnoise_gru/model.onnx", "--rtol", "1e-3", "--atol", "1e-5")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_profile_keeps_the_laws(self):
        done = tally("profile", SOURCE / "tools/models/lenet5_fashion.onnx", "--seed", "1", "--repeats", "5", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        profile = json.loads(done.stdout)
        self.assertEqual(sum(layer["ideal"]["macs"] for layer in profile["layers"]), 416520)
        for layer in profile["layers"]:
            self.assertEqual(sum(layer["gap"]["macs"].values()), layer["executed"]["lane_macs"] - layer["ideal"]["macs"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
