#!/usr/bin/env python3
"""Writes the random-weight ONNX models that the benchmarks run.

    python3 tools/training/make_bench_models.py OUT              all of them
    python3 tools/training/make_bench_models.py OUT NAME...      these only
    python3 tools/training/make_bench_models.py --list

Speed and memory do not depend on what a network has learnt, so the weights
are drawn at random: seeded by the model's name, He-scaled so that activations
keep their size through the layers. The same numpy gives the same file. Every
model is opset 13, batch 1, float32, "input" -> "output", and passes
onnx.checker and strict shape inference before it is written.

    caffe_lenet                1x28x28    Caffe's LeNet: no ReLU after the convolutions
    dscnn_kws                  1x49x10    keyword spotting, batch norm folded, 12 classes
    mobilenet_v1_025_96        3x96x96    MobileNet v1, width 0.25, folded, 2 classes
    mobilenet_v1_025_96_1000   3x96x96    the same layout with 1000 classes
    resnet18                   3x224x224  with BatchNormalization nodes, 1000 classes
    resnet18_folded            3x224x224  the same layout, batch norm folded
    resnet18_64                3x64x64    folded, of smaller images: for runs under an emulator
    mlp_784_256_128_10         784        three fully connected layers
    lstm_1_8, lstm_1_64, lstm_256_256     16 steps of an LSTM, inputs → units
    audio_lstm                 512x1      LSTM of 16 units and a fully connected layer, a sample
                                          a time step; a copy is in tools/models

Needs python3-onnx and numpy.
"""

import functools
import zlib

import numpy as np

import onnx_graph
from chosen_models import write_chosen
from onnx_graph import GraphWriter


class RandomNet(GraphWriter):
    """A graph writer that draws the weights and follows the channel count."""

    def __init__(self, name, shape):
        super().__init__(name, "input", (1, *shape),
                         description="random weights, for benchmarks only")
        self.random = np.random.RandomState(zlib.crc32(name.encode()))
        self.width = {"input": shape[0]}  # tensor name -> channels

    def draw(self, shape, fan_in, gain=1.0):
        scale = gain * np.sqrt(2.0 / fan_in)
        return (self.random.standard_normal(shape) * scale).astype(np.float32)

    def near(self, centre, spread, size):
        return (centre + spread * self.random.standard_normal(size)).astype(np.float32)

    def convolve(self, layer, x, outputs, kernel, strides=1, pads=0, depthwise=False, bias=True,
                 gain=1.0):
        inputs = self.width[x]
        kernel = onnx_graph.pair(kernel)
        per_group = 1 if depthwise else inputs
        weight = self.draw((outputs, per_group, *kernel), per_group * kernel[0] * kernel[1], gain)
        b = self.near(0, 0.05, outputs) if bias else None
        y = self.conv(f"/{layer}/Conv", x, weight, b, strides, pads, inputs if depthwise else 1)
        self.width[y] = outputs
        return y

    def normalize(self, layer, x, gain=1.0):
        channels = self.width[x]
        y = self.batch_norm(
            f"/{layer}/BatchNormalization", x,
            scale=self.near(gain, 0.1 * gain, channels), bias=self.near(0, 0.1, channels),
            mean=self.near(0, 0.1, channels),
            variance=self.random.uniform(0.8, 1.2, channels).astype(np.float32))
        self.width[y] = channels
        return y

    def linear(self, layer, x, inputs, outputs):
        weight = self.draw((outputs, inputs), inputs)
        return self.gemm(f"/{layer}/Gemm", x, weight, self.near(0, 0.05, outputs))

    def rectify(self, layer, x):
        y = self.relu(f"/{layer}/Relu", x)
        self.width[y] = self.width.get(x)
        return y

    def pool(self, layer, x, *arguments, **keywords):
        y = self.max_pool(f"/{layer}/MaxPool", x, *arguments, **keywords)
        self.width[y] = self.width[x]
        return y

    def classify(self, x, classes):
        """Global average pool, then one fully connected layer."""
        features = self.width[x]
        x = self.global_average_pool("/pool/GlobalAveragePool", x)
        x = self.flatten("/flatten/Flatten", x)
        return self.finish(self.linear("fc", x, features, classes))


def same_pads(size, kernel, stride):
    """Pads so that the output is ceil(size / stride), the odd one at the end."""
    pads = [max((-(-n // s) - 1) * s + k - n, 0)
            for n, k, s in zip(*map(onnx_graph.pair, (size, kernel, stride)))]
    return [p // 2 for p in pads] + [p - p // 2 for p in pads]


def caffe_lenet():
    g = RandomNet("caffe_lenet", (1, 28, 28))
    x = g.pool("pool1", g.convolve("conv1", "input", 20, 5), 2)
    x = g.pool("pool2", g.convolve("conv2", x, 50, 5), 2)
    x = g.flatten("/flatten/Flatten", x)
    x = g.rectify("relu1", g.linear("ip1", x, 50 * 4 * 4, 500))
    return g.finish(g.linear("ip2", x, 500, 10))


def dscnn_kws():
    g = RandomNet("dscnn_kws", (1, 49, 10))
    pads = same_pads((49, 10), (10, 4), 2)
    x = g.rectify("conv1", g.convolve("conv1", "input", 64, (10, 4), 2, pads))
    for block in range(1, 5):
        x = separable(g, f"block{block}", x, 64, 1, 1)
    return g.classify(x, 12)


def separable(g, name, x, outputs, stride, pads):
    """Depthwise 3x3 and pointwise 1x1, a ReLU after each."""
    x = g.convolve(f"{name}/depthwise", x, g.width[x], 3, stride, pads, depthwise=True)
    x = g.rectify(f"{name}/depthwise", x)
    x = g.convolve(f"{name}/pointwise", x, outputs, 1)
    return g.rectify(f"{name}/pointwise", x)


def mobilenet_v1_025_96(classes, name):
    g = RandomNet(name, (3, 96, 96))
    size = 96
    x = g.convolve("conv1", "input", 8, 3, 2, same_pads(size, 3, 2))
    x = g.rectify("conv1", x)
    size //= 2
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2),
            *[(128, 1)] * 5, (256, 2), (256, 1)]
    for number, (outputs, stride) in enumerate(plan, 1):
        x = separable(g, f"block{number}", x, outputs, stride, same_pads(size, 3, stride))
        size //= stride
    return g.classify(x, classes)


def resnet18(name, folded, size=224):
    g = RandomNet(name, (3, size, size))

    def conv_norm(layer, x, outputs, kernel, stride, gain=1.0):
        pads = kernel // 2
        if folded:
            return g.convolve(f"{layer}/conv", x, outputs, kernel, stride, pads, gain=gain)
        y = g.convolve(f"{layer}/conv", x, outputs, kernel, stride, pads, bias=False)
        return g.normalize(f"{layer}/norm", y, gain)

    x = g.rectify("stem", conv_norm("stem", "input", 64, 7, 2))
    x = g.pool("stem", x, 3, 2, 1)
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in (1, 2):
            layer = f"stage{stage}/block{block}"
            stride = 2 if stage > 1 and block == 1 else 1
            y = g.rectify(f"{layer}/a", conv_norm(f"{layer}/a", x, width, 3, stride))
            # A small gain on the residual branch keeps the sums from growing.
            y = conv_norm(f"{layer}/b", y, width, 3, 1, gain=0.5)
            if stride == 2:
                x = conv_norm(f"{layer}/shortcut", x, width, 1, 2)
            total = g.add(f"/{layer}/Add", y, x)
            g.width[total] = width
            x = g.rectify(layer, total)
    return g.classify(x, 1000)


def mlp_784_256_128_10():
    g = RandomNet("mlp_784_256_128_10", (784,))
    x = g.rectify("relu1", g.linear("fc1", "input", 784, 256))
    x = g.rectify("relu2", g.linear("fc2", x, 256, 128))
    return g.finish(g.linear("fc3", x, 128, 10))


def audio_lstm(steps=512, units=16):
    g = RandomNet("audio_lstm", (steps, 1))
    x = g.transpose("/Transpose", "input", [1, 0, 2])
    weight, recurrence = g.draw((4 * units, 1), 16), g.draw((4 * units, units), 4 * units)
    x = g.recurrent("/lstm/LSTM", x, weight, recurrence, g.near(0, 0.05, 8 * units))
    x = g.squeeze("/lstm/Squeeze_1", g.squeeze("/lstm/Squeeze", x, 1), 1)
    return g.finish(g.linear("out", x, units, 1))


def lstm(inputs, units, steps=16):
    g = RandomNet(f"lstm_{inputs}_{units}", (steps, inputs))
    x = g.transpose("/Transpose", "input", [1, 0, 2])
    weight, recurrence = g.draw((4 * units, inputs), 2 * inputs), g.draw((4 * units, units), 4 * units)
    x = g.recurrent("/lstm/LSTM", x, weight, recurrence, g.near(0, 0.05, 8 * units))
    return g.finish(g.squeeze("/lstm/Squeeze", x, 1))


MODELS = {
    "caffe_lenet": caffe_lenet,
    "dscnn_kws": dscnn_kws,
    "mobilenet_v1_025_96": functools.partial(mobilenet_v1_025_96, 2, "mobilenet_v1_025_96"),
    "mobilenet_v1_025_96_1000": functools.partial(
        mobilenet_v1_025_96, 1000, "mobilenet_v1_025_96_1000"),
    "resnet18": functools.partial(resnet18, "resnet18", False),
    "resnet18_folded": functools.partial(resnet18, "resnet18_folded", True),
    "resnet18_64": functools.partial(resnet18, "resnet18_64", True, 64),
    "mlp_784_256_128_10": mlp_784_256_128_10,
    "lstm_1_8": functools.partial(lstm, 1, 8),
    "lstm_1_64": functools.partial(lstm, 1, 64),
    "lstm_256_256": functools.partial(lstm, 256, 256),
    "audio_lstm": audio_lstm,
}


def multiply_adds(model):
    """Counts the multiply-adds of the Conv and Gemm nodes."""
    values = [*model.graph.value_info, *model.graph.output]
    shape = {v.name: onnx_graph.shape_of(v) for v in values}
    weight = {t.name: list(t.dims) for t in model.graph.initializer}
    return sum(int(np.prod(shape[n.output[0]])) * int(np.prod(weight[n.input[1]][1:]))
               for n in model.graph.node if n.op_type in ("Conv", "Gemm"))


def write(name, model, file):
    onnx_graph.save(model, file)
    values = sum(int(np.prod(t.dims)) for t in model.graph.initializer)
    print(f"{name:25} input {onnx_graph.shape_of(model.graph.input[0])} "
          f"output {onnx_graph.shape_of(model.graph.output[0])} "
          f"{len(model.graph.node)} nodes, {values:,} values, "
          f"{multiply_adds(model) / 1e6:.2f} M multiply-adds")


if __name__ == "__main__":
    write_chosen("Write random-weight benchmark models.", MODELS, write)
