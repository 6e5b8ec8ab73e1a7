#!/usr/bin/env python3
"""Trains Tally's Fashion-MNIST models and writes everything the tests need.

    python3 tools/training/train_fashion.py NAME...          train, export, record
    python3 tools/training/train_fashion.py --list           the models there are

For a model NAME the output folder (default tools/models) receives

    NAME_fashion.onnx               the network, batch 1, "input" -> "output"
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
    --set NAME=JSON...
                    other settings than the model's own, such as epochs=20
    --validate      hold back the last 5,000 training images, print the accuracy
                    on them and write nothing. Settings were chosen this way;
                    the test images only ever see the finished model.

Needs PyTorch, python3-onnx and numpy. On Debian 12:
    apt-get install dataset-fashion-mnist python3-torch python3-onnx python3-numpy

To add a network: write its nn.Module and a function that writes it as ONNX
(networks.py), a function that turns raw images into its input (fashion_data.py),
and list them in MODELS.
"""

import argparse
import functools
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

import fashion_data
import networks
import onnx_graph
from onnx_eval import OnnxFile

HERE = pathlib.Path(__file__).resolve().parent
STORED_ANSWERS = 4
SMALL_MARGIN = 1e-4
EVAL_BATCH = 500
HELD_BACK = 5000


# ---- models -------------------------------------------------------------------

@dataclass
class Model:
    description: str
    network: Callable        # settings -> nn.Module
    prepare: Callable        # raw images -> network input, float32
    export: Callable         # (module, input shape) -> ONNX model
    settings: dict           # everything that shapes the training


def recurrent(kind, name, description, **settings):
    """One recurrent layer of 64 units over the image's rows."""
    common = dict(seed=1, epochs=15, batch=128, optimizer="AdamW", schedule="one-cycle",
                  max_learning_rate=6e-3, warm_up=0.3, weight_decay=0.01, largest_gradient=1.0,
                  flip=True, shift=0)
    return Model(
        description=f"{description}, 64 units, input 28 rows of 28",
        network=lambda s: networks.RowRecurrent(kind, 64),
        prepare=fashion_data.rows,
        export=functools.partial(networks.export_recurrent, kind, name),
        settings={**common, **settings},
    )


MODELS = {
    "lenet5": Model(
        description="LeNet-5 (ReLU, max pooling), input 1x32x32",
        network=lambda s: networks.LeNet5(s["dropout"]),
        prepare=fashion_data.padded_to_32,
        export=networks.export_lenet5,
        settings=dict(
            seed=1, epochs=50, batch=256, optimizer="AdamW", schedule="one-cycle",
            max_learning_rate=8e-3, warm_up=0.2, weight_decay=0.05, dropout=0.0,
            flip=True, shift=1,
        ),
    ),
    "elman": recurrent("RNN", "elman_fashion", "Elman RNN (tanh)", epochs=30, batch=64,
                       max_learning_rate=1.5e-3, flip=False),
    "lstm": recurrent("LSTM", "lstm_fashion", "LSTM"),
    "gru": recurrent("GRU", "gru_fashion", "GRU"),
    "transformer": Model(
        description="transformer encoder (pre-norm, width 64, 4 heads, 2 layers), input 28 rows of 28",
        network=lambda s: networks.RowTransformer(64, 4, 2, 128),
        prepare=fashion_data.rows,
        export=networks.export_transformer,
        settings=dict(
            seed=1, epochs=10, batch=128, optimizer="AdamW", schedule="one-cycle",
            max_learning_rate=2e-3, warm_up=0.3, weight_decay=0.05, largest_gradient=1.0,
            flip=True, shift=0,
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
                x = fashion_data.flip_and_shift(x, s["flip"], s["shift"])
            loss = F.cross_entropy(net(x), y_all[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if "largest_gradient" in s:
                torch.nn.utils.clip_grad_norm_(net.parameters(), s["largest_gradient"])
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
    start = time.process_time()
    net = train(model, *fashion_data.read_split(data, "train"))
    seconds = time.process_time() - start

    images, labels = fashion_data.read_split(data, "t10k")
    x = model.prepare(images)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{stem}.onnx"
    exported = model.export(net, (1,) + x.shape[1:])
    onnx_graph.save(exported, path)

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
        "onnx_opset": exported.opset_import[0].version,
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
        "data_source": fashion_data.SOURCE,
    }
    (out / f"{stem}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{stem}: {correct} of {len(labels)} right, smallest margin "
          f"{margins[closest]:.3g} (image {closest}), trained in {seconds:.0f} s of processor time")


def main():
    parser = argparse.ArgumentParser(description="Train and export Fashion-MNIST models.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="list the models and stop")
    parser.add_argument("--data", default=fashion_data.FOLDER)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "models")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", metavar="NAME=JSON", nargs="+", default=[])
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
        model.settings.update((key, json.loads(value)) for key, value in (s.split("=", 1) for s in arguments.set))
        if arguments.validate:
            validate(model, *fashion_data.read_split(arguments.data, "train"))
        else:
            build(name, model, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
