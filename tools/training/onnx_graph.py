"""A small writer for ONNX graphs (needs python3-onnx and numpy only).

Both scripts in this folder write their models node by node with this class
instead of going through a framework's exporter. The files then hold exactly
the nodes that are listed in the script, under the names given there, and come
out byte for byte the same from the same weights.

    g = GraphWriter("net", "input", (1, 1, 28, 28))
    x = g.conv("/conv1/Conv", "input", weight, bias, pads=2)
    x = g.relu("/relu1/Relu", x)
    ...
    model = g.finish(x)            # checked, shapes inferred, ready to save
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

OPSET = 13  # unless a writer is told otherwise


def pair(value):
    return [int(value)] * 2 if np.isscalar(value) else [int(v) for v in value]


def four_pads(value):
    """One number, (height, width), or (top, left, bottom, right) as ONNX has it."""
    if np.isscalar(value) or len(value) == 2:
        return pair(value) * 2
    return [int(v) for v in value]


class GraphWriter:
    def __init__(self, name, input_name, input_shape, producer="tally", description="", opset=OPSET):
        self.name = name
        self.opset = opset
        self.producer = producer
        self.description = description
        self.nodes = []
        self.initializers = []
        self.inputs = [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, input_shape)]

    # -- building blocks ----------------------------------------------------

    def constant(self, name, array):
        """Stores a weight; returns its name."""
        array = np.asarray(array, order="C")  # ascontiguousarray makes a vector of a scalar
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, name, value):
        return self.constant(name, np.array(value, np.float32))

    def node(self, op_type, name, inputs, **attributes):
        """Appends a node with one output; returns the output's name."""
        output = name + "_output_0"
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))
        return output

    # -- layers ---------------------------------------------------------------
    # A layer called "/conv1/Conv" stores its weights as conv1.weight, conv1.bias.

    @staticmethod
    def _prefix(name):
        return ".".join(part for part in name.split("/")[:-1] if part)

    def conv(self, name, x, weight, bias=None, strides=1, pads=0, group=1):
        prefix = self._prefix(name)
        inputs = [x, self.constant(prefix + ".weight", weight)]
        if bias is not None:
            inputs.append(self.constant(prefix + ".bias", bias))
        return self.node(
            "Conv", name, inputs,
            dilations=[1, 1], group=group, kernel_shape=list(weight.shape[2:]),
            pads=four_pads(pads), strides=pair(strides),
        )

    def gemm(self, name, x, weight, bias):
        """A fully connected layer; weight is [outputs, inputs]."""
        prefix = self._prefix(name)
        inputs = [x, self.constant(prefix + ".weight", weight), self.constant(prefix + ".bias", bias)]
        return self.node("Gemm", name, inputs, alpha=1.0, beta=1.0, transB=1)

    def batch_norm(self, name, x, scale, bias, mean, variance, epsilon=1e-5):
        prefix = self._prefix(name)
        inputs = [
            x,
            self.constant(prefix + ".weight", scale),
            self.constant(prefix + ".bias", bias),
            self.constant(prefix + ".running_mean", mean),
            self.constant(prefix + ".running_var", variance),
        ]
        return self.node("BatchNormalization", name, inputs, epsilon=epsilon)

    def relu(self, name, x):
        return self.node("Relu", name, [x])

    def add(self, name, a, b):
        return self.node("Add", name, [a, b])

    def max_pool(self, name, x, kernel, strides=None, pads=0):
        return self.node(
            "MaxPool", name, [x],
            kernel_shape=pair(kernel), pads=four_pads(pads),
            strides=pair(kernel if strides is None else strides),
        )

    def global_average_pool(self, name, x):
        return self.node("GlobalAveragePool", name, [x])

    def flatten(self, name, x):
        return self.node("Flatten", name, [x], axis=1)

    # -- sequences --------------------------------------------------------------

    def recurrent(self, name, x, weight, recurrence, bias):
        """RNN, LSTM or GRU, as the name's last part says: forward, from a state of zeros.

        x is [T, n, I]; weight [gates * H, I], recurrence [gates * H, H] and bias [2 * gates * H],
        gates in ONNX's order; returns every hidden state, [T, 1, n, H].
        """
        kind, prefix = name.split("/")[-1], self._prefix(name)
        inputs = [x, self.constant(prefix + ".W", weight[None]), self.constant(prefix + ".R", recurrence[None]),
                  self.constant(prefix + ".B", bias[None])]
        # PyTorch multiplies the candidate's recurrent product, bias included, with the reset gate.
        own = {"linear_before_reset": 1} if kind == "GRU" else {}
        return self.node(kind, name, inputs, hidden_size=recurrence.shape[1], **own)

    def linear(self, path, x, weight, bias):
        """A fully connected layer over the last axis; weight is [outputs, inputs]."""
        prefix = self._prefix(path + "/")
        product = self.node("MatMul", path + "/MatMul", [x, self.constant(prefix + ".weight", weight.T)])
        return self.add(path + "/Add", self.constant(prefix + ".bias", bias), product)

    def layer_norm(self, name, x, scale, bias, epsilon=1e-5):
        """Over the last axis; from opset 17 on."""
        prefix = self._prefix(name)
        inputs = [x, self.constant(prefix + ".weight", scale), self.constant(prefix + ".bias", bias)]
        return self.node("LayerNormalization", name, inputs, axis=-1, epsilon=epsilon)

    def gelu(self, path, x):
        """x (1 + erf(x / sqrt 2)) / 2, as exporters write it."""
        ratio = self.node("Div", path + "/Div", [x, self.scalar(path + "/sqrt_2", np.sqrt(2))])
        share = self.add(path + "/Add", self.node("Erf", path + "/Erf", [ratio]), self.scalar(path + "/one", 1))
        product = self.node("Mul", path + "/Mul", [x, share])
        return self.node("Mul", path + "/Mul_1", [product, self.scalar(path + "/half", 0.5)])

    def reduce_mean(self, name, x, axis):
        return self.node("ReduceMean", name, [x], axes=[axis], keepdims=0)

    # -- movement -----------------------------------------------------------------

    def transpose(self, name, x, perm):
        return self.node("Transpose", name, [x], perm=perm)

    def reshape(self, name, x, shape):
        return self.node("Reshape", name, [x, self.constant(name + "/shape", np.array(shape, np.int64))])

    def squeeze(self, name, x, axis):
        return self.node("Squeeze", name, [x, self.constant(name + "/axes", np.array([axis], np.int64))])

    def gather(self, name, x, index, axis):
        """The entry `index` of an axis, which goes."""
        return self.node("Gather", name, [x, self.constant(name + "/index", np.array(index, np.int64))], axis=axis)

    # -- the end --------------------------------------------------------------

    def parameters(self):
        """The number of values in all stored weights."""
        return sum(int(np.prod(t.dims)) for t in self.initializers)

    def finish(self, last, output_name="output"):
        """Renames `last` to the graph's output, checks the model, infers shapes."""
        for node in self.nodes:
            node.input[:] = [output_name if i == last else i for i in node.input]
            node.output[:] = [output_name if o == last else o for o in node.output]
        # The output's shape is taken from shape inference rather than stated.
        untyped = [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, None)]
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs, untyped, self.initializers,
            doc_string=self.description,
        )
        model = helper.make_model(
            graph, producer_name=self.producer,
            opset_imports=[helper.make_opsetid("", self.opset)],
        )
        model.ir_version = helper.OP_SET_ID_VERSION_MAP["ai.onnx", self.opset]  # the oldest that goes with it
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(model, full_check=True)
        return model


def shape_of(value_info):
    return [d.dim_value for d in value_info.type.tensor_type.shape.dim]


def save(model, path):
    with open(path, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))


def save_tensor(array, name, path):
    """Writes one array as an ONNX TensorProto file (.pb)."""
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(np.ascontiguousarray(array), name).SerializeToString())
