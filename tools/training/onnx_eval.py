"""Evaluates an ONNX file with PyTorch's operators, node after node.

A check on the written file: what a training script reports must come out of
the file, not only out of the network in memory. Covers just the operators of
the models in this repository; the batch may differ from the one in the file.

    net = OnnxFile("model.onnx")
    logits = net(images)                       # numpy in, numpy out
    exact = OnnxFile("model.onnx", torch.float64)(images)
"""

import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper


def _padded(x, attributes, value):
    pads = attributes.get("pads", [0, 0, 0, 0])
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _conv(attributes, x, weight, bias=None):
    x = _padded(x, attributes, 0.0)
    return F.conv2d(x, weight, bias, stride=tuple(attributes["strides"]),
                    dilation=tuple(attributes["dilations"]), groups=attributes["group"])


def _max_pool(attributes, x):
    x = _padded(x, attributes, float("-inf"))
    return F.max_pool2d(x, tuple(attributes["kernel_shape"]), tuple(attributes["strides"]))


def _gemm(attributes, a, b, c):
    a = a.t() if attributes.get("transA", 0) else a
    b = b.t() if attributes.get("transB", 0) else b
    return torch.addmm(c, a, b, alpha=attributes.get("alpha", 1.0), beta=attributes.get("beta", 1.0))


def _batch_norm(attributes, x, scale, bias, mean, variance):
    return F.batch_norm(x, mean, variance, scale, bias, eps=attributes["epsilon"])


def _layer_norm(attributes, x, scale, bias):
    return F.layer_norm(x, x.shape[attributes["axis"]:], scale, bias, attributes["epsilon"])


def _reshape(attributes, x, shape):
    return x.reshape(shape.tolist())  # no zeros in the shapes written here


def _gather(attributes, x, index):
    """A scalar index only."""
    return x.select(attributes.get("axis", 0), int(index))


# The recurrent cells are written out from the equations of the ONNX operators (opset 14), so that
# an error in the order of gates cannot cancel. All run forward from a state of zeros.

def _recurrent(gates, cell):
    """cell(attributes, W x + Wb of each gate, h, c, R and Rb of each gate) -> the next h, c"""
    def run(attributes, x, weight, recurrence, bias):
        hidden = attributes["hidden_size"]
        input_bias, recurrent_bias = bias[0].split(gates * hidden)
        h = c = x.new_zeros(x.shape[1], hidden)
        states = []
        for step in x:
            gx = torch.addmm(input_bias, step, weight[0].t()).split(hidden, 1)
            h, c = cell(attributes, gx, h, c, recurrence[0].split(hidden), recurrent_bias.split(hidden))
            states.append(h)
        return torch.stack(states)[:, None]
    return run


def _rnn_cell(attributes, gx, h, c, recurrence, bias):
    return torch.tanh(gx[0] + torch.addmm(bias[0], h, recurrence[0].t())), c


def _lstm_cell(attributes, gx, h, c, recurrence, bias):
    i, o, f, g = (x + torch.addmm(b, h, r.t()) for x, r, b in zip(gx, recurrence, bias))
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru_cell(attributes, gx, h, c, recurrence, bias):
    if not attributes["linear_before_reset"]:
        raise ValueError("GRU: linear_before_reset must be 1")
    z, r = (torch.sigmoid(gx[g] + torch.addmm(bias[g], h, recurrence[g].t())) for g in (0, 1))
    candidate = torch.tanh(gx[2] + r * torch.addmm(bias[2], h, recurrence[2].t()))
    return (1 - z) * candidate + z * h, c


OPERATORS = {
    "Add": lambda attributes, a, b: a + b,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Div": lambda attributes, a, b: a / b,
    "Erf": lambda attributes, x: torch.erf(x),
    "Flatten": lambda attributes, x: x.flatten(attributes.get("axis", 1)),
    "GRU": _recurrent(3, _gru_cell),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda attributes, x: x.mean((2, 3), keepdim=True),
    "LSTM": _recurrent(4, _lstm_cell),
    "LayerNormalization": _layer_norm,
    "MatMul": lambda attributes, a, b: a @ b,
    "MaxPool": _max_pool,
    "Mul": lambda attributes, a, b: a * b,
    "RNN": _recurrent(1, _rnn_cell),
    "ReduceMean": lambda attributes, x: x.mean(attributes["axes"], keepdim=bool(attributes["keepdims"])),
    "Relu": lambda attributes, x: torch.relu(x),
    "Reshape": _reshape,
    "Softmax": lambda attributes, x: torch.softmax(x, attributes["axis"]),
    "Squeeze": lambda attributes, x, axes: x.squeeze(int(axes)),
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
}


class OnnxFile:
    def __init__(self, path, dtype=torch.float32):
        self.graph = onnx.load(str(path)).graph
        self.dtype = dtype
        self.constants = {}
        for tensor in self.graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            self.constants[tensor.name] = value.to(dtype) if value.is_floating_point() else value

    @torch.no_grad()
    def __call__(self, x):
        values = dict(self.constants)
        values[self.graph.input[0].name] = torch.from_numpy(x).to(self.dtype)
        for node in self.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs = [values[name] if name else None for name in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
        return values[self.graph.output[0].name].numpy()
