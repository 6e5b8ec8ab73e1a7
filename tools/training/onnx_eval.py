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


OPERATORS = {
    "Add": lambda attributes, a, b: a + b,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Flatten": lambda attributes, x: x.flatten(attributes.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda attributes, x: x.mean((2, 3), keepdim=True),
    "MaxPool": _max_pool,
    "Relu": lambda attributes, x: torch.relu(x),
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
