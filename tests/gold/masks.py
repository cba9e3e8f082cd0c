#!/usr/bin/python3
"""What PIL and torchvision make of masks: nearest neighbour.

Writes masks.safetensors beside itself, U8 tensors [h,w]:

    resize.<k>.src, .dst   Image.resize(NEAREST)
    crop.<k>.src, .dst     torchvision's Resize(int(size / pct), NEAREST), CenterCrop(size)
    crop.<k>.pct           that, in thousandths, two bytes

    /usr/bin/python3 tests/gold/masks.py        (Debian: python3-pil, python3-torchvision)
"""
import json
import os
import struct

import numpy as np
import PIL
import torchvision
import torchvision.transforms as T
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(21)
tensors = {}


def noise(h, w):
    return rng.integers(0, 256, (h, w), dtype=np.uint8)


def resizes():
    cases = ((24, 20, 10, 7), (9, 7, 23, 30), (31, 6, 8, 17), (1, 1, 4, 5), (40, 3, 1, 1), (12, 13, 12, 5),
             (33, 28, 32, 27), (10, 10, 20, 5), (90, 120, 33, 65), (60, 45, 7, 50))
    for k, (h, w, oh, ow) in enumerate(cases):
        src = noise(h, w)
        tensors[f"resize.{k}.src"] = src
        tensors[f"resize.{k}.dst"] = np.asarray(Image.fromarray(src).resize((ow, oh), Image.NEAREST))


def crops():
    nearest = T.InterpolationMode.NEAREST
    cases = ((40, 31, 16, 0.875), (31, 40, 17, 0.95), (20, 20, 20, 1), (25, 60, 24, 0.5), (9, 8, 21, 0.9),
             (64, 20, 16, 1), (18, 45, 13, 1), (90, 120, 65, 1))
    for k, (h, w, size, pct) in enumerate(cases):
        src = noise(h, w)
        dst = T.Compose([T.Resize(int(size / pct), nearest), T.CenterCrop(size)])(Image.fromarray(src))
        tensors[f"crop.{k}.src"] = src
        tensors[f"crop.{k}.dst"] = np.asarray(dst)
        tensors[f"crop.{k}.pct"] = np.array([int(1000 * pct) % 256, int(1000 * pct) // 256], np.uint8)


def write():
    header = {"__metadata__": {"pil": PIL.__version__, "torchvision": torchvision.__version__}}
    blobs, at = [], 0
    for name, a in sorted(tensors.items()):
        raw = np.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": "U8", "shape": list(a.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, "masks.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


resizes()
crops()
write()
