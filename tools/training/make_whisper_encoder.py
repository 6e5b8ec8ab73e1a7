#!/usr/bin/env python3
"""Writes the encoder of Whisper tiny with random weights, and its answer in double precision.

    python3 tools/training/make_whisper_encoder.py OUT [--frames N]

OUT gets model.onnx and test_data_set_0 (input_0.pb, output_0.pb), so that

    tally estimate OUT/model.onnx      18,468,864,000 multiply-accumulates with 3000 frames
    tally verify   OUT/model.onnx

judge the cost of the whole and its numbers. The architecture is the published one (Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision", 2022, table 1 and section 2.2): 80 mel bands, two convolutions of width 3
over time, the second of stride 2, Gelu after each, sinusoidal positions, four blocks of attention (width 384, 6 heads) and
MLP (1536), layer norms before each part and at the end; keys have no bias. The nodes are those that exporters write before
opset 17: LayerNorm and Gelu as elementary operators, attention as MatMul, Softmax, Reshape and Transpose, the scale on
queries and keys both. Weights are drawn from a seed; the same numpy gives the same file. Needs python3-onnx and numpy.

The multiply-accumulates, T = frames / 2, d = 384: convolutions 2T·d·80·3 + T·d·d·3, and four times projections 4·T·d²,
scores and context 2·T²·d, MLP 8·T·d².
"""

import argparse
import pathlib

import numpy as np
from onnx import numpy_helper

from onnx_graph import GraphWriter

MELS, WIDTH, HEADS, HIDDEN, BLOCKS = 80, 384, 6, 1536, 4
EPSILON = 1e-5


def erf(x):
    """In double precision: Taylor's series near 0, Legendre's continued fraction beyond."""
    x = np.asarray(x, np.float64)
    small = np.abs(x) < 2.5
    t = np.where(small, x, 0.0)
    term, total = t.copy(), t.copy()
    for n in range(1, 60):
        term = -term * t * t / n
        total += term / (2 * n + 1)
    a = np.where(small, 3.0, np.abs(x))
    fraction = np.zeros_like(a)
    for n in range(80, 0, -1):
        fraction = n / 2 / (a + fraction)
    far = 1 - np.exp(-a * a) / np.sqrt(np.pi) / (a + fraction)
    return np.where(small, 2 / np.sqrt(np.pi) * total, np.sign(x) * far)


class Encoder(GraphWriter):
    """Every method appends nodes and computes the same in double precision; a value is a pair (name, array)."""

    def __init__(self, frames):
        super().__init__("whisper_tiny_encoder", "mel", (1, MELS, frames), description="random weights")
        self.random = np.random.RandomState(2022)
        self.frames = frames
        self.shared = {}

    def draw(self, *shape, fan_in=None):
        spread = np.sqrt(1.0 / (fan_in or shape[0]))
        return (self.random.standard_normal(shape) * spread).astype(np.float32)

    def scalar(self, name, value, dtype=np.float32):
        """A constant of its own, shared by all that use it."""
        if name not in self.shared:
            self.shared[name] = self.constant(name, np.array(value, dtype))
        return self.shared[name]

    def conv1d(self, layer, x, outputs, stride):
        name, value = x
        inputs = value.shape[1]
        w, b = self.draw(outputs, inputs, 3, fan_in=3 * inputs), self.draw(outputs, fan_in=100)
        y = self.node("Conv", f"/{layer}/Conv", [name, self.constant(layer + ".weight", w), self.constant(layer + ".bias", b)],
                      dilations=[1], group=1, kernel_shape=[3], pads=[1, 1], strides=[stride])
        padded = np.pad(value, ((0, 0), (0, 0), (1, 1)))
        length = (value.shape[2] - 1) // stride + 1
        taps = [w[:, :, k].astype(np.float64) @ padded[0][:, k:k + stride * length:stride][:, :length] for k in range(3)]
        return y, (sum(taps) + b.astype(np.float64)[:, None])[None]

    def gelu(self, layer, x):
        name, value = x
        t = self.node("Div", f"/{layer}/Div", [name, self.scalar("root_two", np.sqrt(2.0))])
        t = self.node("Erf", f"/{layer}/Erf", [t])
        t = self.node("Add", f"/{layer}/Add", [t, self.scalar("one", 1.0)])
        t = self.node("Mul", f"/{layer}/Mul", [name, t])
        y = self.node("Mul", f"/{layer}/Mul_1", [t, self.scalar("half", 0.5)])
        return y, value * (1 + erf(value / np.sqrt(2.0))) / 2

    def layer_norm(self, layer, x):
        name, value = x
        g = (1 + self.draw(WIDTH, fan_in=100)).astype(np.float32)
        b = self.draw(WIDTH, fan_in=100)
        mean = self.node("ReduceMean", f"/{layer}/ReduceMean", [name], axes=[-1], keepdims=1)
        d = self.node("Sub", f"/{layer}/Sub", [name, mean])
        v = self.node("Pow", f"/{layer}/Pow", [d, self.scalar("two", 2.0)])
        v = self.node("ReduceMean", f"/{layer}/ReduceMean_1", [v], axes=[-1], keepdims=1)
        v = self.node("Add", f"/{layer}/Add", [v, self.scalar("epsilon", EPSILON)])
        v = self.node("Sqrt", f"/{layer}/Sqrt", [v])
        y = self.node("Div", f"/{layer}/Div", [d, v])
        y = self.node("Mul", f"/{layer}/Mul", [y, self.constant(layer + ".weight", g)])
        y = self.node("Add", f"/{layer}/Add_1", [y, self.constant(layer + ".bias", b)])
        centred = value - value.mean(-1, keepdims=True)
        deviation = np.sqrt((centred ** 2).mean(-1, keepdims=True) + np.float32(EPSILON))
        return y, centred / deviation * g + b

    def linear(self, layer, x, outputs, bias=True):
        name, value = x
        w = self.draw(value.shape[-1], outputs)
        y = self.node("MatMul", f"/{layer}/MatMul", [name, self.constant(layer + ".weight", w)])
        value = value @ w.astype(np.float64)
        if bias:
            b = self.draw(outputs, fan_in=100)
            y = self.node("Add", f"/{layer}/Add", [self.constant(layer + ".bias", b), y])
            value = value + b
        return y, value

    def heads(self, layer, x, permutation):
        name, value = x
        T, d = value.shape[1], WIDTH // HEADS
        shape = self.scalar("split_shape", [1, T, HEADS, d], np.int64)
        y = self.node("Reshape", f"/{layer}/Reshape", [name, shape])
        y = self.node("Transpose", f"/{layer}/Transpose", [y], perm=permutation)
        scale = float(d) ** -0.25
        return y, value.reshape(1, T, HEADS, d).transpose(permutation), scale

    def attention(self, layer, x):
        q = self.heads(layer + "/query", self.linear(layer + "/query", x, WIDTH), [0, 2, 1, 3])
        k = self.heads(layer + "/key", self.linear(layer + "/key", x, WIDTH, bias=False), [0, 2, 3, 1])
        v = self.heads(layer + "/value", self.linear(layer + "/value", x, WIDTH), [0, 2, 1, 3])
        scaled = [self.node("Mul", f"/{layer}/{part}/Mul", [value[0], self.scalar("scale", value[2])])
                  for part, value in (("query", q), ("key", k))]
        s = self.node("MatMul", f"/{layer}/MatMul", scaled)
        s = self.node("Softmax", f"/{layer}/Softmax", [s], axis=-1)
        y = self.node("MatMul", f"/{layer}/MatMul_1", [s, v[0]])
        y = self.node("Transpose", f"/{layer}/Transpose", [y], perm=[0, 2, 1, 3])
        T = x[1].shape[1]
        y = self.node("Reshape", f"/{layer}/Reshape", [y, self.scalar("merged_shape", [1, T, WIDTH], np.int64)])
        context = np.empty((1, T, WIDTH))
        for h in range(HEADS):  # one head's scores at a time
            scores = q[1][0, h] @ k[1][0, h] * np.float64(np.float32(q[2])) ** 2
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            context[0, :, h * (WIDTH // HEADS):(h + 1) * (WIDTH // HEADS)] = weights @ v[1][0, h]
        return self.linear(layer + "/out", (y, context), WIDTH)

    def add(self, layer, a, b):
        return self.node("Add", f"/{layer}/Add", [a[0], b[0]]), a[1] + b[1]

    def block(self, layer, x):
        attended = self.attention(layer + "/attn", self.layer_norm(layer + "/attn_ln", x))
        x = self.add(layer + "/residual", x, attended)
        hidden = self.linear(layer + "/mlp.0", self.layer_norm(layer + "/mlp_ln", x), HIDDEN)
        hidden = self.linear(layer + "/mlp.2", self.gelu(layer + "/mlp.1", hidden), WIDTH)
        return self.add(layer + "/residual_1", x, hidden)


def positions(length):
    """Sines then cosines of length · 10000^(−i / (channels/2 − 1))."""
    half = WIDTH // 2
    scales = np.exp(-np.log(10000.0) / (half - 1) * np.arange(half))
    angles = np.arange(length)[:, None] * scales[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def build(frames):
    net = Encoder(frames)
    mel = net.random.standard_normal((1, MELS, frames)).astype(np.float32)
    x = ("mel", mel.astype(np.float64))
    x = net.gelu("gelu", net.conv1d("conv1", x, WIDTH, 1))
    x = net.gelu("gelu_1", net.conv1d("conv2", x, WIDTH, 2))
    x = (net.node("Transpose", "/Transpose", [x[0]], perm=[0, 2, 1]), x[1].transpose(0, 2, 1))
    table = positions(x[1].shape[1])
    x = (net.node("Add", "/Add", [x[0], net.constant("positional_embedding", table)]), x[1] + table)
    for i in range(BLOCKS):
        x = net.block(f"blocks.{i}", x)
    name, answer = net.layer_norm("ln_post", x)
    return net.finish(name), mel, answer.astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--frames", type=int, default=3000)
    options = parser.parse_args()
    model, mel, answer = build(options.frames)
    data = options.out / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (options.out / "model.onnx").write_bytes(model.SerializeToString())
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(mel, "mel").SerializeToString())
    (data / "output_0.pb").write_bytes(numpy_helper.from_array(answer, "output").SerializeToString())


if __name__ == "__main__":
    main()
