"""Fashion-MNIST: reading it, and turning its images into what the networks take.

Raw images are uint8 [n, 28, 28]. What a network takes is float32, pixels / 255.
"""

import gzip
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = "/usr/share/datasets/fashion-mnist"
SOURCE = "Fashion-MNIST (Zalando SE, MIT licence), Debian package dataset-fashion-mnist"


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


def rows(images):
    """[n, 28, 28], each image a sequence: 28 time steps, top row first, of 28 pixels."""
    return images.astype(np.float32) / np.float32(255)


def padded_to_32(images):
    """[n, 1, 32, 32]: two zeros on every side."""
    return np.pad(rows(images), ((0, 0), (2, 2), (2, 2)))[:, None]


def flip_and_shift(x, flip, shift):
    """Mirrors half of the images [n, ..., H, W], moves each by up to `shift` pixels each way."""
    n, (height, width) = len(x), x.shape[-2:]
    images = x.reshape(n, height, width)
    if flip:
        mirrored = torch.rand(n) < 0.5
        images = torch.where(mirrored[:, None, None], images.flip(2), images)
    if shift:
        images = F.pad(images, (shift,) * 4)
        down = torch.randint(0, 2 * shift + 1, (n, 1)) + torch.arange(height)
        right = torch.randint(0, 2 * shift + 1, (n, 1)) + torch.arange(width)
        images = images[torch.arange(n)[:, None, None], down[:, :, None], right[:, None, :]]
    return images.reshape(x.shape)
