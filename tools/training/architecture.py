"""Writes networks as ONNX files without their weights; needs nothing but Python.

A weight is an initialiser with its shape whose values are said to lie in a file that does not exist
(external data): all that a count of parameters, operations and bytes needs.

    net = Architecture("net", {"input": (1, 3, 224, 224)})
    x = net.relu("features.1", net.conv("features.0", "input", 64, 11, strides=4, pads=2))
    ...
    net.save(x, "net.onnx")

Every layer is called after the module that a PyTorch model would have: "features.0" becomes the node
"/features/features.0/Conv" with the weights "features.0.weight" and "features.0.bias". Extents may be
names ("batch"), which the file then declares as symbolic.
"""

import math
import struct

FLOAT, INT64, FLOAT16 = 1, 7, 10
LEFT_OUT = "weights_left_out.bin"


# -- the wire format of protocol buffers ------------------------------------------------------


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def blob(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    """An AttributeProto: its name, its value, and the field that says of which type."""
    if isinstance(value, float):
        return blob(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return blob(1, name) + number(3, value) + number(20, 2)
    if isinstance(value, str):
        return blob(1, name) + blob(4, value) + number(20, 3)
    return blob(1, name) + b"".join(number(8, v) for v in value) + number(20, 7)


def value_info(name, dtype, shape):
    dims = b"".join(blob(1, blob(2, d) if isinstance(d, str) else number(1, d)) for d in shape)
    return blob(1, name) + blob(2, blob(1, number(1, dtype) + blob(2, dims)))


def pair(value):
    return list(value) if isinstance(value, (list, tuple)) else [value] * 2


# -- graphs -----------------------------------------------------------------------------------


class Architecture:
    def __init__(self, name, inputs, opset=20, dtype=FLOAT, integer_inputs=()):
        self.name, self.opset, self.dtype = name, opset, dtype
        self.inputs = {k: (INT64 if k in integer_inputs else dtype, v) for k, v in inputs.items()}
        self.shape = {k: list(v) for k, v in inputs.items()}  # of activations, as far as layers need it
        self.initializers, self.nodes = {}, []

    def weight(self, name, *shape):
        """A tensor without values. The same name twice is the same tensor."""
        external = blob(13, blob(1, "location") + blob(2, LEFT_OUT))
        dims = b"".join(number(1, d) for d in shape)
        self.initializers[name] = dims + number(2, self.dtype) + blob(8, name) + external + number(14, 1)
        return name

    def integers(self, name, values):
        raw = struct.pack(f"<{len(values)}q", *values)
        self.initializers[name] = number(1, len(values)) + number(2, INT64) + blob(8, name) + blob(9, raw)
        return name

    def scalar(self, name, value):
        raw = struct.pack("<f" if self.dtype == FLOAT else "<e", value)
        self.initializers[name] = number(2, self.dtype) + blob(8, name) + blob(9, raw)
        return name

    def node(self, op, path, inputs, shape, outputs=1, **attributes):
        """Appends a node of the module `path`; returns its first output, of this shape."""
        parts = path.split(".")
        scope = "".join("/" + ".".join(parts[:i + 1]) for i in range(len(parts))) if path else ""
        name, count = f"{scope}/{op}", 0
        while name + "_output_0" in self.shape:
            count += 1
            name = f"{scope}/{op}_{count}"
        out = [f"{name}_output_{i}" for i in range(outputs)]
        message = b"".join(blob(1, i) for i in inputs) + b"".join(blob(2, o) for o in out)
        message += blob(3, name) + blob(4, op)
        message += b"".join(blob(5, attribute(k, v)) for k, v in attributes.items())
        self.nodes.append(message)
        self.shape[out[0]] = list(shape)
        return out[0]

    def save(self, outputs, path):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        graph = b"".join(blob(1, n) for n in self.nodes) + blob(2, self.name)
        graph += b"".join(blob(5, t) for t in self.initializers.values())
        graph += b"".join(blob(11, value_info(k, *v)) for k, v in self.inputs.items())
        graph += b"".join(blob(12, value_info(o, self.dtype, self.shape[o])) for o in outputs)
        model = number(1, 8) + blob(2, "tally") + blob(7, graph) + blob(8, blob(1, "") + number(2, self.opset))
        with open(path, "wb") as file:
            file.write(model)

    # -- images -------------------------------------------------------------------------------

    def window(self, x, kernel, strides, pads, ceil=False):
        """Extents after a window has slid over the spatial axes."""
        rounded = math.ceil if ceil else math.floor
        spatial = zip(self.shape[x][2:], kernel, strides, pads)
        return [rounded((n + 2 * p - k) / s) + 1 for n, k, s, p in spatial]

    def conv(self, path, x, outputs, kernel, strides=1, pads=0, group=1, bias=True, rank=2):
        kernel, strides, pads = (v * rank if len(v) == 1 else v for v in
                                 ([v] if isinstance(v, int) else list(v) for v in (kernel, strides, pads)))
        N, C = self.shape[x][:2]
        inputs = [x, self.weight(path + ".weight", outputs, C // group, *kernel)]
        if bias:
            inputs.append(self.weight(path + ".bias", outputs))
        return self.node("Conv", path, inputs, [N, outputs] + self.window(x, kernel, strides, pads),
                         kernel_shape=kernel, strides=strides, pads=pads * 2, group=group)

    def conv_transpose(self, path, x, outputs, kernel, strides, pads=0, group=1, bias=True):
        kernel, strides, pads = pair(kernel), pair(strides), pair(pads)
        N, C, *spatial = self.shape[x]
        inputs = [x, self.weight(path + ".weight", C, outputs // group, *kernel)]
        if bias:
            inputs.append(self.weight(path + ".bias", outputs))
        after = [(n - 1) * s + k - 2 * p for n, k, s, p in zip(spatial, kernel, strides, pads)]
        return self.node("ConvTranspose", path, inputs, [N, outputs] + after,
                         kernel_shape=kernel, strides=strides, pads=pads * 2, group=group)

    def batch_norm(self, path, x):
        C = self.shape[x][1]
        inputs = [x] + [self.weight(f"{path}.{part}", C) for part in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", path, inputs, self.shape[x], epsilon=1e-5)

    def pool(self, path, x, kernel, strides=None, pads=0, ceil=False, op="MaxPool"):
        kernel, pads = pair(kernel), pair(pads)
        strides = kernel if strides is None else pair(strides)
        after = self.window(x, kernel, strides, pads, ceil)
        return self.node(op, path, [x], self.shape[x][:2] + after, kernel_shape=kernel, strides=strides,
                         pads=pads * 2, ceil_mode=int(ceil))

    def average_pool(self, path, x, kernel, strides=None, pads=0):
        return self.pool(path, x, kernel, strides, pads, op="AveragePool")

    def global_pool(self, path, x):
        return self.node("GlobalAveragePool", path, [x], self.shape[x][:2] + [1, 1])

    def lrn(self, path, x, size):
        return self.node("LRN", path, [x], self.shape[x], size=size)

    # -- one operand ----------------------------------------------------------------------------

    def relu(self, path, x):
        return self.node("Relu", path, [x], self.shape[x])

    def relu6(self, path, x):
        return self.node("Clip", path, [x, self.scalar("zero", 0.0), self.scalar("six", 6.0)], self.shape[x])

    def gelu(self, path, x):
        return self.node("Gelu", path, [x], self.shape[x])

    def softmax(self, path, x):
        return self.node("Softmax", path, [x], self.shape[x], axis=-1)

    def flatten(self, path, x):
        N, *rest = self.shape[x]
        return self.node("Flatten", path, [x], [N, math.prod(rest)], axis=1)

    def transpose(self, path, x, perm):
        return self.node("Transpose", path, [x], [self.shape[x][p] for p in perm], perm=perm)

    def reshape(self, path, x, target, shape):
        """`target`: as Reshape reads it, 0 for an extent that stays and -1 for one that follows."""
        name = "shape." + "x".join(map(str, target))
        return self.node("Reshape", path, [x, self.integers(name, target)], shape)

    # -- several --------------------------------------------------------------------------------

    def add(self, path, a, b):
        return self.node("Add", path, [a, b], self.shape[a])

    def concat(self, path, xs):
        shape = list(self.shape[xs[0]])
        shape[1] = sum(self.shape[x][1] for x in xs)
        return self.node("Concat", path, xs, shape, axis=1)

    def matmul(self, path, a, b):
        return self.node("MatMul", path, [a, b], self.shape[a][:-1] + [self.shape[b][-1]])

    def gemm(self, path, x, outputs, bias=True):
        N, K = self.shape[x]
        inputs = [x, self.weight(path + ".weight", outputs, K)]
        if bias:
            inputs.append(self.weight(path + ".bias", outputs))
        return self.node("Gemm", path, inputs, [N, outputs], transB=1)

    def linear(self, path, x, outputs, bias=True):
        """A fully connected layer over the last axis of any tensor: MatMul, then Add."""
        K = self.shape[x][-1]
        w = self.weight(path + ".weight", K, outputs)
        y = self.node("MatMul", path, [x, w], self.shape[x][:-1] + [outputs])
        if not bias:
            return y
        return self.node("Add", path, [self.weight(path + ".bias", outputs), y], self.shape[y])

    def layer_norm(self, path, x):
        inputs = [x] + [self.weight(f"{path}.{part}", self.shape[x][-1]) for part in ("weight", "bias")]
        return self.node("LayerNormalization", path, inputs, self.shape[x], axis=-1, epsilon=1e-5)

    def embedding(self, path, ids, rows, width):
        table = self.weight(path + ".weight", rows, width)
        return self.node("Gather", path, [table, ids], self.shape[ids] + [width], axis=0)

    def recurrent(self, path, op, x, hidden, directions=1):
        """RNN, LSTM or GRU over [T, N, I] with both bias vectors; returns [T, N, directions · hidden]."""
        T, N, I = self.shape[x]
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
        inputs = [x, self.weight(path + ".W", directions, gates * hidden, I),
                  self.weight(path + ".R", directions, gates * hidden, hidden),
                  self.weight(path + ".B", directions, 2 * gates * hidden)]
        own = {"linear_before_reset": 1} if op == "GRU" else {}
        y = self.node(op, path, inputs, [T, directions, N, hidden], hidden_size=hidden,
                      direction="bidirectional" if directions == 2 else "forward", **own)
        y = self.transpose(path, y, [0, 2, 1, 3])
        return self.reshape(path, y, [0, 0, -1], [T, N, directions * hidden])

    def attention(self, path, x, memory, heads, key_bias=True):
        """Multi-head attention of x [B, T, D] over memory [B, S, D], projections included, node by node."""
        (B, T, D), S = self.shape[x], self.shape[memory][1]
        head = D // heads

        def split(part, source, length, perm, bias=True):
            y = self.linear(f"{path}.{part}", source, D, bias)
            y = self.reshape(path, y, [0, 0, heads, head], [B, length, heads, head])
            return self.transpose(path, y, perm)

        q = split("query", x, T, [0, 2, 1, 3])
        k = split("key", memory, S, [0, 2, 3, 1], key_bias)
        v = split("value", memory, S, [0, 2, 1, 3])
        q = self.node("Mul", path, [q, self.scalar(f"scale.{head}", head ** -0.5)], self.shape[q])
        weights = self.softmax(path, self.matmul(path, q, k))
        y = self.transpose(path, self.matmul(path, weights, v), [0, 2, 1, 3])
        return self.linear(f"{path}.out", self.reshape(path, y, [0, 0, -1], [B, T, D]), D)
