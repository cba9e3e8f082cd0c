#!/usr/bin/python3
"""Pictures of a square and a disc on noise, with masks, beside this file: images/ and masks/.

Palette masks: 0 ground, 1 square, 2 disc, 255 along the square's left edge. Debian: python3-pil.
"""
import os
import random

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE = 16
random.seed(5)


def shapes(name):
    picture, mask = Image.new("RGB", (SIDE, SIDE)), Image.new("P", (SIDE, SIDE))
    mask.putpalette([0, 0, 0, 200, 30, 30, 30, 200, 30] + [90] * (3 * 253))
    x0, y0 = random.randrange(1, 4), random.randrange(0, 9)
    x1, y1 = random.randrange(11, 13), random.randrange(4, 12)
    for y in range(SIDE):
        for x in range(SIDE):
            v = 0
            if 0 <= x - x0 < 6 and 0 <= y - y0 < 6:
                v = 1
            elif (x - x1) ** 2 + (y - y1) ** 2 <= 10:
                v = 2
            level = [(90, 90, 90), (170, 90, 60), (60, 100, 170)][v]
            picture.putpixel((x, y), tuple(c + 8 * random.randrange(-4, 5) for c in level))
            mask.putpixel((x, y), 255 if v == 1 and x == x0 else v)
    for kind, image in (("images", picture), ("masks", mask)):
        path = os.path.join(HERE, kind, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        image.save(path, optimize=True)


for split, n in (("train", 12), ("val", 4)):
    for i in range(n):
        shapes(f"{split}/{i:02}.png")
with open(os.path.join(HERE, "classes.txt"), "w") as f:
    f.write("ground\nsquare, red\ndisc\n")
# The first mask in black and white.
first = Image.open(os.path.join(HERE, "masks/train/00.png"))
os.makedirs(os.path.join(HERE, "white"), exist_ok=True)
Image.frombytes("L", first.size, bytes(255 if v else 0 for v in first.tobytes())).save(
    os.path.join(HERE, "white/mask.png"), optimize=True)
