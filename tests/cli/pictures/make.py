#!/usr/bin/python3
"""Makes the pictures beside it: two classes, discs and crosses, as PNG and JPEG of several kinds."""
from PIL import Image, ImageDraw

for n, (mode, size) in enumerate([("RGB", (24, 20)), ("L", (16, 16)), ("P", (20, 20))]):
    for name in ("cross", "disc"):
        image = Image.new("RGB", size, (40 * n, 60, 80))
        draw = ImageDraw.Draw(image)
        box = (3, 3, size[0] - 4, size[1] - 4)
        if name == "disc":
            draw.ellipse(box, fill=(250, 200 - 30 * n, 40))
        else:
            draw.line(box, fill=(250, 200 - 30 * n, 40), width=3)
            draw.line((box[2], box[1], box[0], box[3]), fill=(250, 200 - 30 * n, 40), width=3)
        image.convert(mode).save(f"{name}{n}.png", optimize=True)
        if mode == "RGB":
            image.save(f"{name}{n}.jpg", quality=80)
