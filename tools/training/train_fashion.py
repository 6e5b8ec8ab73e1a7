#!/usr/bin/env python3
"""Trains Tally's Fashion-MNIST models and writes everything the tests need.

    python3 tools/training/train_fashion.py lenet5           train, export, record
    python3 tools/training/train_fashion.py --list           the models there are

For a model NAME the output folder (default tools/models) receives

    NAME_fashion.onnx               the network, opset 13, batch 1, "input" -> "output"
    NAME_fashion.json               how it was made and what it gets right
    NAME_fashion_predictions.txt    PyTorch's class for each of the 10,000 test
                                    images, one digit each, 100 digits a line
    NAME_fashion_data/test_data_set_{0..3}/{input_0,output_0}.pb
                                    stored answers for test images 0 to 3

Options:
    --data DIR      folder of the four *-ubyte.gz files
    --out DIR       output folder
    --threads N     PyTorch threads (default 2). The sums' order depends on it:
                    another number may give slightly different weights.
    --epochs N      instead of the model's own number of epochs
    --validate      hold back the last 5,000 training images, print the accuracy
                    on them and write nothing. Settings were chosen this way;
                    the test images only ever see the finished model.

Needs PyTorch, python3-onnx and numpy. On Debian 12:
    apt-get install dataset-fashion-mnist python3-torch python3-onnx python3-numpy

To add a network: write its nn.Module, a function that turns raw images into
its input, a function that writes it as ONNX, and list them in MODELS.
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import time
from dataclasses import dataclass
from typing import Callable

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn

import onnx_graph
from onnx_eval import OnnxFile
from onnx_graph import GraphWriter

HERE = pathlib.Path(__file__).resolve().parent
DATA = "/usr/share/datasets/fashion-mnist"
DATA_SOURCE = "Fashion-MNIST (Zalando SE, MIT licence), Debian package dataset-fashion-mnist"
STORED_ANSWERS = 4
SMALL_MARGIN = 1e-4
EVAL_BATCH = 500
HELD_BACK = 5000


# ---- data -------------------------------------------------------------------

def read_idx(path):
    """Reads one gzipped IDX file of unsigned bytes."""
    with gzip.open(path, "rb") as f:
        raw = f.read()
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4).astype(int)
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * rank).reshape(shape)


def read_split(folder, split):
    folder = pathlib.Path(folder)
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    return images, labels.astype(np.int64)


def padded_to_32(images):
    """Raw images [n, 28, 28] -> [n, 1, 32, 32]: pixels / 255, two zeros around."""
    x = images.astype(np.float32) / np.float32(255)
    return np.pad(x, ((0, 0), (2, 2), (2, 2)))[:, None]


def flip_and_shift(x, shift):
    """Mirrors half of the images, moves each by up to `shift` pixels each way."""
    n, _, height, width = x.shape
    mirrored = torch.rand(n) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    x = F.pad(x, (shift,) * 4)
    rows = torch.randint(0, 2 * shift + 1, (n, 1)) + torch.arange(height)
    columns = torch.randint(0, 2 * shift + 1, (n, 1)) + torch.arange(width)
    image = torch.arange(n)[:, None, None]
    return x[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


# ---- models -------------------------------------------------------------------

@dataclass
class Model:
    description: str
    network: Callable        # settings -> nn.Module
    prepare: Callable        # raw images -> network input, float32
    export: Callable         # (module, input shape) -> ONNX model
    settings: dict           # everything that shapes the training


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max pooling; 61,706 parameters."""

    def __init__(self, dropout):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
        self.dropout = nn.Dropout(dropout)  # in training only; no part of the export

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def export_lenet5(module, input_shape):
    w = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    g = GraphWriter("lenet5_fashion", "input", input_shape,
                    description="LeNet-5 for Fashion-MNIST; input pixels / 255, padded to 32x32")
    x = g.conv("/conv1/Conv", "input", w["conv1.weight"], w["conv1.bias"])
    x = g.max_pool("/pool1/MaxPool", g.relu("/relu1/Relu", x), 2)
    x = g.conv("/conv2/Conv", x, w["conv2.weight"], w["conv2.bias"])
    x = g.max_pool("/pool2/MaxPool", g.relu("/relu2/Relu", x), 2)
    x = g.flatten("/flatten/Flatten", x)
    x = g.relu("/relu3/Relu", g.gemm("/fc1/Gemm", x, w["fc1.weight"], w["fc1.bias"]))
    x = g.relu("/relu4/Relu", g.gemm("/fc2/Gemm", x, w["fc2.weight"], w["fc2.bias"]))
    return g.finish(g.gemm("/fc3/Gemm", x, w["fc3.weight"], w["fc3.bias"]))


MODELS = {
    "lenet5": Model(
        description="LeNet-5 (ReLU, max pooling), input 1x32x32",
        network=lambda s: LeNet5(s["dropout"]),
        prepare=padded_to_32,
        export=export_lenet5,
        settings=dict(
            seed=1, epochs=50, batch=256, optimizer="AdamW", schedule="one-cycle",
            max_learning_rate=8e-3, warm_up=0.2, weight_decay=0.05, dropout=0.0,
            flip=True, shift=1,
        ),
    ),
}


# ---- training and evaluation --------------------------------------------------

def train(model, images, labels, progress=None):
    """Trains from scratch; returns the module after the last epoch."""
    s = model.settings
    torch.manual_seed(s["seed"])
    net = model.network(s)
    x_all = torch.from_numpy(model.prepare(images))
    y_all = torch.from_numpy(labels)
    n = len(x_all)
    steps = -(-n // s["batch"])
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=s["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, s["max_learning_rate"], epochs=s["epochs"], steps_per_epoch=steps,
        pct_start=s["warm_up"])
    for epoch in range(s["epochs"]):
        start, total = time.monotonic(), 0.0
        net.train()
        for chosen in torch.randperm(n).split(s["batch"]):
            x = x_all[chosen]
            if s["flip"] or s["shift"]:
                x = flip_and_shift(x, s["shift"])
            loss = F.cross_entropy(net(x), y_all[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        note = progress(net.eval()) if progress else ""
        print(f"epoch {epoch + 1:3d}  loss {total / n:.4f}  "
              f"{time.monotonic() - start:.1f} s  {note}", flush=True)
    return net.eval()


def in_batches(function, x, batch=EVAL_BATCH):
    return np.concatenate([function(x[i:i + batch]) for i in range(0, len(x), batch)])


def module_logits(net, x):
    with torch.no_grad():
        return in_batches(lambda part: net(torch.from_numpy(part)).numpy(), x)


def margins_of(logits):
    top = np.sort(logits.astype(np.float64), axis=1)
    return top[:, -1] - top[:, -2]


# ---- the two commands -----------------------------------------------------------

def validate(model, images, labels):
    x, y = model.prepare(images[-HELD_BACK:]), labels[-HELD_BACK:]

    def accuracy(net):
        return f"held-back accuracy {np.mean(module_logits(net, x).argmax(1) == y):.4f}"

    train(model, images[:-HELD_BACK], labels[:-HELD_BACK], accuracy)


def build(name, model, data, out):
    stem = f"{name}_fashion"
    start = time.monotonic()
    net = train(model, *read_split(data, "train"))
    seconds = time.monotonic() - start

    images, labels = read_split(data, "t10k")
    x = model.prepare(images)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{stem}.onnx"
    onnx_graph.save(model.export(net, (1,) + x.shape[1:]), path)

    # Everything below comes from the file just written.
    stored = OnnxFile(path)
    logits = in_batches(stored, x)
    one_by_one = in_batches(stored, x, 1)
    exact = in_batches(OnnxFile(path, torch.float64), x)
    predicted = logits.argmax(1)
    export_error = np.abs(logits - module_logits(net, x)).max()
    if export_error > 1e-3:
        raise SystemExit(f"the exported file differs from the network by {export_error}")
    for other in (one_by_one, exact):
        if (other.argmax(1) != predicted).any():
            raise SystemExit("a prediction depends on rounding: train with another seed")

    digits = "".join(map(str, predicted))
    lines = [digits[i:i + 100] for i in range(0, len(digits), 100)]
    (out / f"{stem}_predictions.txt").write_text("\n".join(lines) + "\n")

    for i in range(STORED_ANSWERS):
        folder = out / f"{stem}_data" / f"test_data_set_{i}"
        folder.mkdir(parents=True, exist_ok=True)
        onnx_graph.save_tensor(x[i:i + 1], "input", folder / "input_0.pb")
        onnx_graph.save_tensor(one_by_one[i:i + 1], "output", folder / "output_0.pb")

    margins = margins_of(logits)
    closest = int(margins.argmin())
    correct = int((predicted == labels).sum())
    record = {
        "model": stem,
        "description": model.description,
        "onnx_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "onnx_opset": onnx_graph.OPSET,
        "parameters": sum(p.numel() for p in net.parameters()),
        "input_shape": [1, *x.shape[1:]],
        "test_images": len(labels),
        "test_correct": correct,
        "test_accuracy": correct / len(labels),
        "evaluation": f"PyTorch fp32 operators on the exported file, batch {EVAL_BATCH}; "
                      "batch 1 and float64 predict the same classes",
        "smallest_margin": float(f"{margins[closest]:.6g}"),
        "smallest_margin_image": closest,
        "smallest_margin_is_below_1e-4": bool(margins[closest] < SMALL_MARGIN),
        "margins_below": {t: int((margins < float(t)).sum()) for t in ("1e-4", "1e-3", "1e-2", "1e-1")},
        "largest_logit": float(f"{np.abs(logits).max():.6g}"),
        "largest_difference_fp32_to_float64": float(f"{np.abs(logits - exact).max():.3g}"),
        "settings": model.settings,
        "loss": "cross entropy",
        "weights_taken": "after the last epoch; the test images took no part in any choice",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "numpy": np.__version__,
        "data_source": DATA_SOURCE,
    }
    (out / f"{stem}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{stem}: {correct} of {len(labels)} right, smallest margin "
          f"{margins[closest]:.3g} (image {closest}), trained in {seconds:.0f} s")


def main():
    parser = argparse.ArgumentParser(description="Train and export Fashion-MNIST models.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="list the models and stop")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "models")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--validate", action="store_true",
                        help="train on 55,000 images, report on 5,000, write nothing")
    arguments = parser.parse_args()
    if arguments.list or not arguments.names:
        for name, model in MODELS.items():
            print(f"{name:12} {model.description}")
        return
    unknown = set(arguments.names) - set(MODELS)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    torch.set_num_threads(arguments.threads)
    for name in arguments.names:
        model = MODELS[name]
        if arguments.epochs:
            model.settings["epochs"] = arguments.epochs
        if arguments.validate:
            validate(model, *read_split(arguments.data, "train"))
        else:
            build(name, model, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
