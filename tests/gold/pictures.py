#!/usr/bin/python3
"""Pictures as other programs write them, and what PIL and torchvision make of them.

Writes pictures/*.png, *.jpg and pictures/expected.safetensors beside itself:

    <file>.rgb, <file>.grey     PIL's convert("RGB"), convert("L")
    <file>.<n>                  the same as RGB, decoded by libjpeg at 1/n
    resize.<k>.src, .dst, .box  Image.resize(BILINEAR, box); box is x0, y0, width, height
    crop.<k>.src, .dst, .pct    torchvision's Resize(int(size / pct)), CenterCrop(size)
    adjust.<k>.src, .dst, .how  adjust_brightness, _contrast, _saturation (0, 1, 2); the factor
    norm.src, .dst, .mean, .std torchvision's ToTensor, Normalize

Pixels are U8 and have the shape [h,w,c]; other numbers are F64, norm.dst is F32. Grey of 16 bits is
computed here: PIL's convert() clips where it should shift.

    /usr/bin/python3 tests/gold/pictures.py        (Debian: python3-pil, python3-torchvision)
"""
import json
import os
import struct
import zlib

import numpy as np
import PIL
import torchvision
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")
H, W = 19, 23
JPEG_H, JPEG_W = 43, 53
rng = np.random.default_rng(20)
tensors = {}


def path(name):
    return os.path.join(HERE, name)


def photo(h, w):
    """Smooth colours with edges and noise."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([128 + 110 * np.sin(x / 5 + y / 9), 128 + 110 * np.cos(y / 4), (9 * x + 5 * y) % 256], -1)
    return (a + rng.normal(0, 6, a.shape)).clip(0, 255).astype(np.uint8)


def noise(h, w, c):
    return rng.integers(0, 256, (h, w, c), dtype=np.uint8)


def image(a):
    return Image.fromarray(a[:, :, 0] if a.shape[2] == 1 else a)


def pixels(im):
    a = np.asarray(im)
    return a.reshape(a.shape[0], a.shape[1], -1)


def grey(rgb):
    return ((rgb.astype(int) @ np.array([19595, 38470, 7471]) + 32768) >> 16)[:, :, None]


def expect(name, rgb=None):
    """What decoding is to give: PIL's word, unless rgb says otherwise."""
    im = Image.open(path(name))
    tensors[name + ".rgb"] = pixels(im.convert("RGB")) if rgb is None else rgb.astype(np.uint8)
    tensors[name + ".grey"] = pixels(im.convert("L")) if rgb is None else grey(rgb).astype(np.uint8)


# ---- PNG ------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(a, depth):
    """Rows of samples, unfiltered."""
    out = b""
    for row in a.reshape(a.shape[0], -1):
        if depth == 16:
            out += b"\0" + row.astype(">u2").tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            out += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return out


def adam7(a, depth):
    steps = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [a[y::dy, x::dx] for y, x, dy, dx in steps]
    return b"".join(packed(p, depth) for p in parts if p.size)


def write_png(name, a, depth, colour, interlaced=False, before=b"", palette=None, split=1 << 20):
    """PIL writes neither interlaced PNGs nor 16 bits of colour."""
    data = zlib.compress((adam7 if interlaced else packed)(a, depth), 9)
    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], depth, colour, 0, 0, interlaced)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before
    if palette is not None:
        out += chunk(b"PLTE", palette.tobytes())
    for i in range(0, len(data), split):
        out += chunk(b"IDAT", data[i : i + split])
    with open(path(name), "wb") as f:
        f.write(out + chunk(b"IEND", b""))


def pngs():
    p = photo(H, W)
    rgb = Image.fromarray(p)
    alpha = Image.fromarray(noise(H, W, 1)[:, :, 0])
    rgb.save(path("rgb.png"))
    rgb.save(path("rgb-trns.png"), transparency=tuple(int(v) for v in p[0, 0]))
    rgb.convert("L").save(path("grey.png"))
    rgb.convert("L").save(path("grey-trns.png"), transparency=int(pixels(rgb.convert("L"))[0, 0, 0]))
    rgb.convert("1").save(path("grey1.png"))
    for mode, name in (("LA", "grey-alpha.png"), ("RGBA", "rgba.png")):
        im = rgb.convert(mode)
        im.putalpha(alpha)
        im.save(path(name))
    for bits in (1, 2, 4):
        rgb.quantize(1 << bits).save(path(f"palette{bits}.png"), bits=bits)
    table = rgb.quantize(200)
    table.save(path("palette8.png"))
    table.save(path("palette-trns.png"), transparency=bytes(range(200)))
    for name in ("rgb", "rgb-trns", "grey", "grey-trns", "grey1", "grey-alpha", "rgba", "palette1",
                 "palette2", "palette4", "palette8", "palette-trns"):
        expect(name + ".png")

    for depth in (2, 4):
        a = rng.integers(0, 1 << depth, (13, 11, 1))
        write_png(f"grey{depth}.png", a, depth, 0)
        expect(f"grey{depth}.png", np.repeat(a * (255 // ((1 << depth) - 1)), 3, 2))
    for name, colour, c in (("grey16", 0, 1), ("rgb16", 2, 3), ("grey-alpha16", 4, 2), ("rgba16", 6, 4)):
        a = rng.integers(0, 1 << 16, (13, 11, c))
        write_png(name + ".png", a, 16, colour)
        expect(name + ".png", np.repeat(a[:, :, :1] >> 8, 3, 2) if c < 3 else a[:, :, :3] >> 8)

    write_png("interlaced.png", p, 8, 2, True)
    expect("interlaced.png")
    write_png("interlaced-small.png", p[:1, :2], 8, 2, True)
    expect("interlaced-small.png")
    a = rng.integers(0, 2, (13, 11, 1))
    write_png("interlaced-grey1.png", a, 1, 0, True)
    expect("interlaced-grey1.png", np.repeat(a * 255, 3, 2))
    a, table = rng.integers(0, 16, (13, 11, 1)), noise(16, 3, 1)
    write_png("interlaced-palette4.png", a, 4, 3, True, palette=table)
    expect("interlaced-palette4.png", table[:, :, 0][a[:, :, 0]])
    # Chunks that nobody needs, one of them broken; pixels in many small chunks.
    text = chunk(b"iCCP", b"profile\0\0" + bytes(50)) + chunk(b"tEXt", b"Comment\0" + b"x" * 700)
    write_png("chunks.png", p, 8, 2, before=text, split=100)
    expect("chunks.png")


# ---- JPEG -----------------------------------------------------------------------------------------


def jpegs():
    rgb = Image.fromarray(photo(JPEG_H, JPEG_W))
    rgb.save(path("420.jpg"), quality=85)
    rgb.save(path("422.jpg"), quality=85, subsampling=1)
    rgb.save(path("444.jpg"), quality=95, subsampling=0, optimize=True)
    rgb.save(path("progressive.jpg"), quality=85, progressive=True)
    rgb.convert("L").save(path("grey.jpg"), quality=85)
    rgb.convert("CMYK").save(path("cmyk.jpg"), quality=90)
    # An Adobe marker of transform 2: the four components are YCCK.
    data = open(path("cmyk.jpg"), "rb").read()
    at = data.index(b"Adobe")
    ycck = bytearray(data)
    ycck[at + 11] = 2
    with open(path("ycck.jpg"), "wb") as f:
        f.write(ycck)
    for name in ("420", "422", "444", "progressive", "grey", "cmyk", "ycck"):
        expect(name + ".jpg")
    for name in ("420", "progressive", "grey", "cmyk"):
        for n in (2, 4, 8):
            im = Image.open(path(name + ".jpg"))
            im.draft(None, (im.width // n, im.height // n))
            assert im.width == -(-JPEG_W // n)
            tensors[f"{name}.jpg.{n}"] = pixels(im.convert("RGB"))


# ---- geometry and colours -------------------------------------------------------------------------


def resizes():
    cases = (
        (24, 20, 3, 10, 7, None),  # down
        (9, 7, 3, 23, 30, None),  # up
        (31, 6, 1, 8, 17, None),  # down and up
        (1, 1, 3, 4, 5, None),
        (40, 3, 3, 1, 1, None),
        (12, 13, 3, 12, 5, None),  # one axis alone
        (12, 13, 1, 5, 13, None),
        (30, 26, 3, 11, 9, (2.25, 3.5, 20.125, 17.75)),  # boxes
        (30, 26, 1, 16, 20, (5, 7, 8, 9.5)),
        (30, 26, 3, 9, 8, (5, 7, 8, 9)),  # a box of the size wanted
        (30, 26, 3, 9, 8, (5.5, 7.25, 8, 9)),
        (17, 19, 3, 6, 30, (0.5, 16, 18.5, 0.75)),
        (33, 28, 3, 32, 27, None),  # by little
    )
    for k, (h, w, c, oh, ow, box) in enumerate(cases):
        src = noise(h, w, c)
        if k % 2:
            src = (src // 128 * 255).astype(np.uint8)
        x0, y0, bw, bh = box or (0, 0, w, h)
        dst = image(src).resize((ow, oh), Image.BILINEAR, box=(x0, y0, x0 + bw, y0 + bh))
        tensors.update({f"resize.{k}.src": src, f"resize.{k}.dst": pixels(dst),
                        f"resize.{k}.box": np.array([x0, y0, bw, bh], float)})


def crops():
    cases = ((40, 31, 3, 16, 0.875), (31, 40, 3, 17, 0.95), (20, 20, 1, 20, 1), (25, 60, 3, 24, 0.5),
             (9, 8, 1, 21, 0.9), (64, 20, 3, 16, 1), (18, 45, 3, 13, 1), (16, 16, 3, 16, 0.875))
    for k, (h, w, c, size, pct) in enumerate(cases):
        src = noise(h, w, c)
        dst = T.Compose([T.Resize(int(size / pct)), T.CenterCrop(size)])(image(src))
        tensors.update({f"crop.{k}.src": src, f"crop.{k}.dst": pixels(dst), f"crop.{k}.pct": np.array([pct], float)})


def colours():
    k = 0
    for what, adjust in enumerate((F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)):
        for c, factor in ((3, 0.625), (3, 1.4375), (1, 0.6875), (3, 0), (3, 2)):
            src = noise(7, 9, c)
            tensors.update({f"adjust.{k}.src": src, f"adjust.{k}.dst": pixels(adjust(image(src), factor)),
                            f"adjust.{k}.how": np.array([what, factor], float)})
            k += 1
    src = noise(16, 32, 3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    dst = T.Compose([T.ToTensor(), T.Normalize(mean, std)])(image(src))
    tensors.update({"norm.src": src, "norm.dst": dst.permute(1, 2, 0).numpy(),
                    "norm.mean": np.array(mean), "norm.std": np.array(std)})


def write():
    kinds = {"u1": "U8", "f4": "F32", "f8": "F64"}
    header = {"__metadata__": {"pil": PIL.__version__, "torchvision": torchvision.__version__}}
    blobs, at = [], 0
    for name, a in sorted(tensors.items(), key=lambda t: -t[1].dtype.itemsize):
        raw = np.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": kinds[a.dtype.str[1:]], "shape": list(a.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path("expected.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


os.makedirs(HERE, exist_ok=True)
pngs()
jpegs()
resizes()
crops()
colours()
write()
sizes = {name: os.path.getsize(path(name)) for name in sorted(os.listdir(HERE))}
print(f"{HERE}: {len(sizes)} files, {sum(sizes.values())} bytes")
