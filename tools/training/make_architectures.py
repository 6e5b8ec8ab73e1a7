#!/usr/bin/env python3
"""Writes well-known networks as ONNX files with their weights left out.

    python3 tools/training/make_architectures.py OUT              all of them
    python3 tools/training/make_architectures.py OUT NAME...      these only
    python3 tools/training/make_architectures.py --list

    tally estimate OUT/resnet50.onnx       25,557,032 parameters, 4,089,184,256 multiply-accumulates

Layouts are those of the papers named below and, where the field quotes figures of it, of torchvision; inputs
are one image of 3x224x224 unless said otherwise. Needs nothing but Python. The files have no values: they can
be estimated, not run.
"""

from architecture import FLOAT16, Architecture
from chosen_models import write_chosen

IMAGE = {"input": (1, 3, 224, 224)}


def head(net, x, outputs=1000, path="fc"):
    return net.gemm(path, net.flatten("", net.global_pool("avgpool", x)), outputs)


def conv_norm(net, path, x, outputs, kernel, strides=1, pads=0, group=1, activation="relu"):
    """Convolution without bias, batch normalisation, activation."""
    x = net.batch_norm(path + ".1", net.conv(path + ".0", x, outputs, kernel, strides, pads, group, bias=False))
    return getattr(net, activation)(path + ".2", x) if activation else x


# -- Krizhevsky et al. 2012 ---------------------------------------------------------------------


def alexnet_of(layers, size):
    net = Architecture("alexnet", {"input": (1, 3, size, size)})
    x = "input"
    for i, (outputs, kernel, strides, pads, group, pool) in enumerate(layers):
        x = net.relu(f"features.{i}.relu", net.conv(f"features.{i}.conv", x, outputs, kernel, strides, pads, group))
        if pool:
            x = net.pool(f"features.{i}.pool", x, 3, 2)
    x = net.flatten("", x)
    for i in (0, 1):
        x = net.relu(f"classifier.{i}.relu", net.gemm(f"classifier.{i}.fc", x, 4096))
    return net, net.gemm("classifier.2.fc", x, 1000)


def alexnet():
    """The single tower of torchvision (Krizhevsky 2014)."""
    return alexnet_of([(64, 11, 4, 2, 1, True), (192, 5, 1, 2, 1, True), (384, 3, 1, 1, 1, False),
                       (256, 3, 1, 1, 1, False), (256, 3, 1, 1, 1, True)], 224)


def alexnet_paper():
    """The two towers of 2012 as groups, on 227x227."""
    return alexnet_of([(96, 11, 4, 0, 1, True), (256, 5, 1, 2, 2, True), (384, 3, 1, 1, 1, False),
                       (384, 3, 1, 1, 2, False), (256, 3, 1, 1, 2, True)], 227)


# -- Simonyan and Zisserman 2014 ------------------------------------------------------------------


def vgg(repeats):
    net = Architecture("vgg", IMAGE)
    x, i = "input", 0
    for outputs, count in zip((64, 128, 256, 512, 512), repeats):
        for _ in range(count):
            x = net.relu(f"features.{i + 1}", net.conv(f"features.{i}", x, outputs, 3, pads=1))
            i += 2
        x = net.pool(f"features.{i}", x, 2)
        i += 1
    x = net.flatten("", x)
    for i in (0, 3):
        x = net.relu(f"classifier.{i + 1}", net.gemm(f"classifier.{i}", x, 4096))
    return net, net.gemm("classifier.6", x, 1000)


# -- Szegedy et al. 2014 --------------------------------------------------------------------------


def googlenet():
    """The layout of the paper's table 1, without the two auxiliary classifiers."""
    net = Architecture("googlenet", IMAGE)

    def conv(path, x, outputs, kernel, strides=1, pads=0):
        return net.relu(path, net.conv(path, x, outputs, kernel, strides, pads))

    def inception(path, x, one, reduce3, three, reduce5, five, pool):
        branches = [conv(path + ".1x1", x, one, 1),
                    conv(path + ".3x3", conv(path + ".3x3_reduce", x, reduce3, 1), three, 3, pads=1),
                    conv(path + ".5x5", conv(path + ".5x5_reduce", x, reduce5, 1), five, 5, pads=2),
                    conv(path + ".pool_proj", net.pool(path + ".pool", x, 3, 1, 1), pool, 1)]
        return net.concat(path, branches)

    x = net.lrn("norm1", net.pool("pool1", conv("conv1", "input", 64, 7, 2, 3), 3, 2, ceil=True), 5)
    x = net.lrn("norm2", conv("conv2.3x3", conv("conv2.reduce", x, 64, 1), 192, 3, pads=1), 5)
    x = net.pool("pool2", x, 3, 2, ceil=True)
    x = inception("inception_3a", x, 64, 96, 128, 16, 32, 32)
    x = inception("inception_3b", x, 128, 128, 192, 32, 96, 64)
    x = net.pool("pool3", x, 3, 2, ceil=True)
    x = inception("inception_4a", x, 192, 96, 208, 16, 48, 64)
    x = inception("inception_4b", x, 160, 112, 224, 24, 64, 64)
    x = inception("inception_4c", x, 128, 128, 256, 24, 64, 64)
    x = inception("inception_4d", x, 112, 144, 288, 32, 64, 64)
    x = inception("inception_4e", x, 256, 160, 320, 32, 128, 128)
    x = net.pool("pool4", x, 3, 2, ceil=True)
    x = inception("inception_5a", x, 256, 160, 320, 32, 128, 128)
    x = inception("inception_5b", x, 384, 192, 384, 48, 128, 128)
    return net, head(net, x)


# -- He et al. 2015 -------------------------------------------------------------------------------


def resnet(blocks, bottleneck):
    """A bottleneck strides in its 3x3 convolution, as torchvision's does (ResNet-50 has 4.089 G that way; with the
    paper's stride in the first 1x1 it has 3.858 G)."""
    net = Architecture("resnet", IMAGE)

    def convolve(path, norm, x, outputs, kernel, strides=1, pads=0):
        return net.batch_norm(norm, net.conv(path, x, outputs, kernel, strides, pads, bias=False))

    def block(path, x, width, strides):
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            y = net.relu(path + ".relu", convolve(path + ".conv1", path + ".bn1", x, width, 1))
            y = net.relu(path + ".relu", convolve(path + ".conv2", path + ".bn2", y, width, 3, strides, 1))
            y = convolve(path + ".conv3", path + ".bn3", y, outputs, 1)
        else:
            y = net.relu(path + ".relu", convolve(path + ".conv1", path + ".bn1", x, width, 3, strides, 1))
            y = convolve(path + ".conv2", path + ".bn2", y, width, 3, 1, 1)
        if strides != 1 or net.shape[x][1] != outputs:
            x = convolve(path + ".downsample.0", path + ".downsample.1", x, outputs, 1, strides)
        return net.relu(path + ".relu", net.add(path, y, x))

    x = net.relu("relu", convolve("conv1", "bn1", "input", 64, 7, 2, 3))
    x = net.pool("maxpool", x, 3, 2, 1)
    for stage, (width, count) in enumerate(zip((64, 128, 256, 512), blocks)):
        for i in range(count):
            x = block(f"layer{stage + 1}.{i}", x, width, 2 if stage > 0 and i == 0 else 1)
    return net, head(net, x)


# -- Huang et al. 2016 ----------------------------------------------------------------------------


def densenet121():
    net = Architecture("densenet121", IMAGE)

    def activated(path, x):
        return net.relu(path.replace("norm", "relu"), net.batch_norm(path, x))

    x = net.conv("features.conv0", "input", 64, 7, 2, 3, bias=False)
    x = net.pool("features.pool0", activated("features.norm0", x), 3, 2, 1)
    for b, count in enumerate((6, 12, 24, 16), 1):
        for i in range(1, count + 1):
            path = f"features.denseblock{b}.denselayer{i}"
            y = net.conv(path + ".conv1", activated(path + ".norm1", x), 128, 1, bias=False)
            y = net.conv(path + ".conv2", activated(path + ".norm2", y), 32, 3, pads=1, bias=False)
            x = net.concat(path, [x, y])
        if b < 4:
            path = f"features.transition{b}"
            x = net.conv(path + ".conv", activated(path + ".norm", x), net.shape[x][1] // 2, 1, bias=False)
            x = net.average_pool(path + ".pool", x, 2)
    return net, head(net, activated("features.norm5", x), path="classifier")


# -- Howard et al. 2017, Sandler et al. 2018 ------------------------------------------------------


def mobilenet_v1():
    net = Architecture("mobilenet_v1", IMAGE)
    x = conv_norm(net, "model.0", "input", 32, 3, 2, 1)
    layout = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for i, (outputs, strides) in enumerate(layout, 1):
        C = net.shape[x][1]
        x = conv_norm(net, f"model.{i}.depthwise", x, C, 3, strides, 1, group=C)
        x = conv_norm(net, f"model.{i}.pointwise", x, outputs, 1)
    return net, head(net, x)


def mobilenet_v2():
    net = Architecture("mobilenet_v2", IMAGE)
    x = conv_norm(net, "features.0", "input", 32, 3, 2, 1, activation="relu6")
    i = 0
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                       (6, 320, 1, 1)):
        for repeat in range(n):
            i += 1
            path, strides, C = f"features.{i}", s if repeat == 0 else 1, net.shape[x][1]
            y = x if t == 1 else conv_norm(net, path + ".expand", x, C * t, 1, activation="relu6")
            y = conv_norm(net, path + ".depthwise", y, C * t, 3, strides, 1, group=C * t, activation="relu6")
            y = conv_norm(net, path + ".project", y, c, 1, activation=None)
            x = net.add(path, x, y) if strides == 1 and C == c else y
    x = conv_norm(net, "features.18", x, 1280, 1, activation="relu6")
    return net, head(net, x, path="classifier.1")


# -- Iandola et al. 2016 --------------------------------------------------------------------------


def squeezenet(version):
    net = Architecture("squeezenet", IMAGE)

    def fire(path, x, squeeze, expand):
        s = net.relu(path, net.conv(path + ".squeeze", x, squeeze, 1))
        a = net.relu(path, net.conv(path + ".expand1x1", s, expand, 1))
        b = net.relu(path, net.conv(path + ".expand3x3", s, expand, 3, pads=1))
        return net.concat(path, [a, b])

    outputs, kernel, pools = (96, 7, (0, 3, 7)) if version == "1.0" else (64, 3, (0, 2, 4))
    x = net.relu("features.0", net.conv("features.0", "input", outputs, kernel, 2))
    for i, (squeeze, expand) in enumerate(((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256),
                                           (64, 256))):
        if i in pools:
            x = net.pool(f"features.pool{i}", x, 3, 2, ceil=True)
        x = fire(f"features.fire{i + 2}", x, squeeze, expand)
    x = net.relu("classifier", net.conv("classifier.1", x, 1000, 1))
    return net, net.flatten("", net.global_pool("classifier", x))


# -- Radford et al. 2022 (Whisper), 2019 (GPT-2) --------------------------------------------------


def transformer_block(net, path, x, heads, memory=None, key_bias=True):
    """Norm, self-attention, sum; with `memory` the same over it; norm, two linear layers with Gelu between, sum."""
    y = net.layer_norm(path + ".attn_ln", x)
    x = net.add(path, x, net.attention(path + ".attn", y, y, heads, key_bias))
    if memory:
        y = net.layer_norm(path + ".cross_attn_ln", x)
        x = net.add(path, x, net.attention(path + ".cross_attn", y, memory, heads, key_bias))
    D = net.shape[x][-1]
    y = net.gelu(path + ".mlp.1", net.linear(path + ".mlp.0", net.layer_norm(path + ".mlp_ln", x), 4 * D))
    return net.add(path, x, net.linear(path + ".mlp.2", y, D))


def whisper(D, heads, blocks, tokens=448, vocabulary=51865):
    """Encoder on 30 seconds of audio (3000 frames of 80 mel bands), decoder on `tokens` tokens at once, logits by
    the transposed token table. Positions of the encoder are a constant table, those of the decoder are learnt."""
    net = Architecture("whisper", {"mel": (1, 80, 3000), "tokens": (1, tokens), "positions": (1, tokens)},
                       integer_inputs=("tokens", "positions"))
    x = net.gelu("encoder.conv1", net.conv("encoder.conv1", "mel", D, 3, 1, 1, rank=1))
    x = net.gelu("encoder.conv2", net.conv("encoder.conv2", x, D, 3, 2, 1, rank=1))
    x = net.transpose("encoder", x, [0, 2, 1])
    x = net.node("Add", "encoder", [x, net.weight("encoder.positional_embedding", 1500, D)], net.shape[x])
    for i in range(blocks):
        x = transformer_block(net, f"encoder.blocks.{i}", x, heads, key_bias=False)
    memory = net.layer_norm("encoder.ln_post", x)
    x = net.add("decoder", net.embedding("decoder.token_embedding", "tokens", vocabulary, D),
                net.embedding("decoder.positional_embedding", "positions", 448, D))
    for i in range(blocks):
        x = transformer_block(net, f"decoder.blocks.{i}", x, heads, memory, key_bias=False)
    x = net.layer_norm("decoder.ln", x)
    net.shape["decoder.token_embedding.weight"] = [vocabulary, D]
    table = net.transpose("decoder", "decoder.token_embedding.weight", [1, 0])
    return net, net.matmul("decoder", x, table)


def gpt2_block():
    """One block of GPT-2 small: width 768, 12 heads, the three projections in one linear layer."""
    D, heads = 768, 12
    net = Architecture("gpt2_block", {"hidden": ("batch", "sequence", D)})
    head_shape = ["batch", heads, "sequence", D // heads]
    y = net.linear("h.0.attn.c_attn", net.layer_norm("h.0.ln_1", "hidden"), 3 * D)
    y = net.node("Split", "h.0.attn", [y, net.integers("thirds", [D] * 3)], net.shape["hidden"], outputs=3, axis=-1)
    parts = []
    for i, perm in enumerate(([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])):
        name = y[:-1] + str(i)
        net.shape[name] = net.shape["hidden"]
        name = net.reshape("h.0.attn", name, [0, 0, heads, -1], ["batch", "sequence", heads, D // heads])
        parts.append(net.transpose("h.0.attn", name, perm))
    q, k, v = parts
    q = net.node("Mul", "h.0.attn", [q, net.scalar("scale", (D // heads) ** -0.5)], head_shape)
    y = net.matmul("h.0.attn", net.softmax("h.0.attn", net.matmul("h.0.attn", q, k)), v)
    y = net.reshape("h.0.attn", net.transpose("h.0.attn", y, [0, 2, 1, 3]), [0, 0, -1], net.shape["hidden"])
    x = net.add("h.0", "hidden", net.linear("h.0.attn.c_proj", y, D))
    y = net.gelu("h.0.mlp.act", net.linear("h.0.mlp.c_fc", net.layer_norm("h.0.ln_2", x), 4 * D))
    return net, net.add("h.0", x, net.linear("h.0.mlp.c_proj", y, D))


# -- recurrent stacks ------------------------------------------------------------------------------


def recurrent_stack(op, directions=1, steps=100, inputs=40, hidden=128, layers=2):
    """`layers` recurrent layers over 100 steps of 40 features, batch 1."""
    net = Architecture("recurrent_stack", {"input": (steps, 1, inputs)})
    x = "input"
    for i in range(layers):
        x = net.recurrent(f"rnn.{i}", op, x, hidden, directions)
    return net, x


# -- single layers, as textbooks count them --------------------------------------------------------


def linear_layer(inputs, outputs, batch=1, bias=True, **options):
    net = Architecture("linear", {"input": (batch, inputs)}, **options)
    return net, net.gemm("fc", "input", outputs, bias)


def conv_layer(inputs, size, outputs, kernel, **options):
    net = Architecture("conv", {"input": (1, inputs, size, size)})
    return net, net.conv("conv", "input", outputs, kernel, bias=False, **options)


def conv_transpose_layer():
    net = Architecture("conv_transpose", {"input": (1, 64, 28, 28)})
    return net, net.conv_transpose("up", "input", 32, 2, 2, bias=False)


def relu_layer():
    net = Architecture("relu", {"input": (1, 4096)}, dtype=FLOAT16)
    return net, net.relu("relu", "input")


NETWORKS = {
    "alexnet": alexnet,
    "alexnet_paper": alexnet_paper,
    "vgg16": lambda: vgg((2, 2, 3, 3, 3)),
    "vgg19": lambda: vgg((2, 2, 4, 4, 4)),
    "googlenet": googlenet,
    "resnet18": lambda: resnet((2, 2, 2, 2), False),
    "resnet34": lambda: resnet((3, 4, 6, 3), False),
    "resnet50": lambda: resnet((3, 4, 6, 3), True),
    "resnet101": lambda: resnet((3, 4, 23, 3), True),
    "resnet152": lambda: resnet((3, 8, 36, 3), True),
    "densenet121": densenet121,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "squeezenet1_0": lambda: squeezenet("1.0"),
    "squeezenet1_1": lambda: squeezenet("1.1"),
    "whisper_tiny": lambda: whisper(384, 6, 4),
    "whisper_base": lambda: whisper(512, 8, 6),
    "gpt2_block": gpt2_block,
    "elman_stack": lambda: recurrent_stack("RNN"),
    "gru_stack": lambda: recurrent_stack("GRU"),
    "lstm_stack": lambda: recurrent_stack("LSTM"),
    "lstm_bidirectional": lambda: recurrent_stack("LSTM", directions=2),
    "linear_100_10": lambda: linear_layer(100, 10),
    "linear_4096_1000": lambda: linear_layer(4096, 1000),
    "conv_six_5x5": lambda: conv_layer(3, 224, 6, 5),
    "conv_sixteen_3x3": lambda: conv_layer(3, 224, 16, 3),
    "conv_depthwise": lambda: conv_layer(32, 56, 32, 3, pads=1, group=32),
    "conv_grouped": lambda: conv_layer(32, 56, 64, 3, pads=1, group=4),
    "conv_pointwise": lambda: conv_layer(32, 56, 64, 1),
    "conv_transpose": conv_transpose_layer,
    "linear_half_512": lambda: linear_layer(4096, 1024, 512, bias=False, dtype=FLOAT16),
    "linear_half_1": lambda: linear_layer(4096, 1024, 1, bias=False, dtype=FLOAT16),
    "relu_half": relu_layer,
}


def write(name, network, file):
    net, outputs = network
    net.name = name
    net.save(outputs, file)


if __name__ == "__main__":
    write_chosen(__doc__.splitlines()[0], NETWORKS, write)
