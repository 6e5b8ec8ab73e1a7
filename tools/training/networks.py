"""The networks that train_fashion.py trains, each with the function that writes it as ONNX.

    LeNet5           [n, 1, 32, 32] -> [n, 10]
    RowRecurrent     [n, 28, 28] -> [n, 10], Elman RNN, LSTM or GRU over the rows
    RowTransformer   [n, 28, 28] -> [n, 10], pre-norm encoder over the rows

An export function takes the trained module and the input's shape, batch 1.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from onnx_graph import GraphWriter

ROWS, COLUMNS, CLASSES = 28, 28, 10


def weights_of(module):
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


# ---- LeNet-5 ------------------------------------------------------------------

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
    w = weights_of(module)
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


# ---- recurrent networks -------------------------------------------------------

# Where ONNX wants the gates that PyTorch stores in an order of its own:
# LSTM i f g o -> i o f c (PyTorch's g is ONNX's c), GRU r z n -> z r h.
GATES = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}


class RowRecurrent(nn.Module):
    """One recurrent layer over the rows, then a fully connected one on the last hidden state.

    H = 64: 6,666 (RNN), 24,714 (LSTM) or 18,698 (GRU) parameters.
    """

    def __init__(self, kind, hidden):
        super().__init__()
        self.rnn = getattr(nn, kind)(COLUMNS, hidden, batch_first=True)
        self.out = nn.Linear(hidden, CLASSES)
        with torch.no_grad():
            if kind == "RNN":  # nearly the identity: gradients reach the first rows
                self.rnn.weight_hh_l0.copy_(0.9 * torch.eye(hidden))
            if kind == "LSTM":  # the forget gates begin open
                self.rnn.bias_ih_l0[hidden:2 * hidden] = 1.0

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def in_onnx_order(kind, value):
    """PyTorch's stacked gates [gates * H, ...] in ONNX's order."""
    gates = GATES[kind]
    return np.concatenate([np.split(value, len(gates))[g] for g in gates])


def export_recurrent(kind, name, module, input_shape):
    w = weights_of(module)
    g = GraphWriter(name, "input", input_shape,
                    description=f"{kind} for Fashion-MNIST, an image row a time step; input pixels / 255")
    weight, recurrence, input_bias, recurrent_bias = (
        in_onnx_order(kind, w[f"rnn.{part}_l0"]) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    x = g.transpose("/rnn/Transpose", "input", [1, 0, 2])
    y = g.recurrent(f"/rnn/{kind}", x, weight, recurrence, np.concatenate([input_bias, recurrent_bias]))
    y = g.squeeze("/rnn/Squeeze", y, 1)
    last = g.gather("/last/Gather", y, -1, axis=0)
    return g.finish(g.gemm("/out/Gemm", last, w["out.weight"], w["out.bias"]))


# ---- transformer --------------------------------------------------------------

class Block(nn.Module):
    """A pre-norm encoder block: x + attention(norm(x)), then x + fc2(gelu(fc1(norm(x))))."""

    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def split(self, x):
        """[n, T, D] -> [n, heads, T, D / heads]"""
        n, steps, width = x.shape
        return x.view(n, steps, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x):
        y = self.norm1(x)
        q, k, v = self.split(self.q(y)), self.split(self.k(y)), self.split(self.v(y))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        context = torch.softmax(scores, 3) @ v
        x = x + self.o(context.transpose(1, 2).reshape(x.shape))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class RowTransformer(nn.Module):
    """Every row looks at every row; the mean over the rows is classified.

    Width 64, 4 heads, 2 layers, inner width 128: 71,370 parameters.
    """

    def __init__(self, width, heads, layers, inner):
        super().__init__()
        self.embed = nn.Linear(COLUMNS, width)
        self.position = nn.Parameter(0.02 * torch.randn(ROWS, width))
        self.blocks = nn.ModuleList(Block(width, heads, inner) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.embed(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x).mean(1))


def attention(g, path, q, k, v, heads, width):
    """Softmax(Q K^T / sqrt(D / heads)) V for each head; [n, T, D] each -> [n, T, D]."""
    per_head = width // heads

    def split(number, x, perm):
        x = g.reshape(f"{path}/Reshape{number}", x, [-1, ROWS, heads, per_head])
        return g.transpose(f"{path}/Transpose{number}", x, perm)

    q = split("", q, [0, 2, 1, 3])
    k = split("_1", k, [0, 2, 3, 1])
    v = split("_2", v, [0, 2, 1, 3])
    scores = g.node("Div", f"{path}/Div", [g.node("MatMul", f"{path}/MatMul", [q, k]),
                                           g.scalar(f"{path}/scale", math.sqrt(per_head))])
    context = g.node("MatMul", f"{path}/MatMul_1", [g.node("Softmax", f"{path}/Softmax", [scores], axis=-1), v])
    context = g.transpose(f"{path}/Transpose_3", context, [0, 2, 1, 3])
    return g.reshape(f"{path}/Reshape_3", context, [-1, ROWS, width])


def export_transformer(module, input_shape):
    """The nodes that PyTorch's exporter writes: LayerNormalization is one (opset 17), attention
    and GELU are spelled out."""
    w = weights_of(module)
    g = GraphWriter("transformer_fashion", "input", input_shape, opset=17,
                    description="transformer encoder for Fashion-MNIST, an image row a step; input pixels / 255")

    def parameters(path):
        key = path.strip("/").replace("/", ".")
        return w[key + ".weight"], w[key + ".bias"]

    def linear(path, x):
        return g.linear(path, x, *parameters(path))

    def norm(path, x):
        return g.layer_norm(f"{path}/LayerNormalization", x, *parameters(path))

    x = g.add("/position/Add", linear("/embed", "input"), g.constant("position.weight", w["position"]))
    for i, block in enumerate(module.blocks):
        at = f"/blocks/{i}"
        y = norm(f"{at}/norm1", x)
        q, k, v = (linear(f"{at}/{part}", y) for part in "qkv")
        context = attention(g, at, q, k, v, block.heads, block.q.out_features)
        x = g.add(f"{at}/Add", x, linear(f"{at}/o", context))
        y = g.gelu(f"{at}/gelu", linear(f"{at}/fc1", norm(f"{at}/norm2", x)))
        x = g.add(f"{at}/Add_1", x, linear(f"{at}/fc2", y))
    x = g.reduce_mean("/mean/ReduceMean", norm("/norm", x), 1)
    return g.finish(g.gemm("/out/Gemm", x, w["out.weight"], w["out.bias"]))
