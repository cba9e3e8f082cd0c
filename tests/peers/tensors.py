"""safetensors files of float32 and int64, for the tests beside other programs."""
import json
import struct

import numpy

TYPES = {"F32": numpy.dtype("<f4"), "I64": numpy.dtype("<i8")}


def write(path, tensors):
    """tensors: name to array; whatever is not int64 becomes float32."""
    header, blobs, at = {}, [], 0
    for name, t in tensors.items():
        t = numpy.asarray(t)
        kind = "I64" if t.dtype == numpy.int64 else "F32"
        raw = t.astype(TYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    """Arrays by name, and the metadata."""
    with open(path, "rb") as f:
        data = f.read()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    meta = header.pop("__metadata__", {})
    return {name: numpy.frombuffer(data[end + t["data_offsets"][0]:end + t["data_offsets"][1]],
                                   TYPES[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}, meta
