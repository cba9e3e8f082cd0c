#!/usr/bin/python3
"""Golden numbers of single operators from PyTorch: writes <operator>.safetensors beside itself.

Inputs are float32 numbers; PyTorch computes in float64, and the results are rounded to float32, so
that they are right to the last bit. Each case is described in the file's metadata under its name,
as "op key=value ..."; tensors are called <case>.<tensor>, in PyTorch's own layouts. The gradients
are those of sum(y * dy) for a random dy.

    /usr/bin/python3 tests/gold/ops.py        (Debian: python3-torch)
"""
import json
import os
import struct

import torch
import torch.nn.functional as F


class Gold:
    """Cases of one file."""

    def __init__(self, name):
        self.name, self.cases, self.tensors = name, {}, {}
        torch.manual_seed(sum(map(ord, name)))

    def case(self, name, op, values, **tensors):
        assert name not in self.cases
        self.cases[name] = " ".join([op] + [f"{k}={v}" for k, v in values.items()])
        for key, t in tensors.items():
            self.tensors[f"{name}.{key}"] = t.detach().contiguous()

    def write(self):
        header, blobs, at = {"__metadata__": {"torch": torch.__version__, **self.cases}}, [], 0
        for key, t in self.tensors.items():
            if t.dtype == torch.int64:
                kind, raw = "I64", b"".join(struct.pack("<q", v) for v in t.flatten().tolist())
            else:
                t = t.float()
                kind, raw = "F32", b"".join(struct.pack("<f", v) for v in t.flatten().tolist())
            header[key] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
            blobs.append(raw)
            at += len(raw)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), self.name + ".safetensors")
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
        print(f"{path}: {len(self.cases)} cases, {8 + len(text) + at} bytes")


def rand(*shape):
    """Normal float32 numbers, as a float64 leaf."""
    return torch.randn(*shape).double().requires_grad_()


def gradients(y, *leaves):
    """A random float32 dy, and the gradients of sum(y * dy)."""
    dy = torch.randn(y.shape).double()
    return [dy] + list(torch.autograd.grad(y, leaves, dy))


def conv(g):
    # name: n, c, h, w, k, (kh, kw), stride, padding, dilation, groups
    for name, n, c, h, w, k, kernel, s, p, d, groups in [
        ("pointwise", 2, 7, 5, 6, 9, (1, 1), (1, 1), (0, 0), (1, 1), 1),
        ("pointwise_s2", 1, 6, 7, 4, 5, (1, 1), (2, 2), (0, 0), (1, 1), 1),
        ("k3", 2, 5, 7, 9, 6, (3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("k3_s2", 1, 4, 9, 8, 7, (3, 3), (2, 2), (1, 1), (1, 1), 1),
        ("stem", 1, 3, 15, 13, 8, (7, 7), (2, 2), (3, 3), (1, 1), 1),
        ("k5_gray", 1, 1, 11, 10, 6, (5, 5), (1, 1), (2, 2), (1, 1), 1),
        ("oblong", 2, 5, 6, 9, 4, (2, 5), (1, 2), (1, 3), (1, 1), 1),
        ("dilated", 1, 4, 11, 9, 5, (3, 3), (1, 1), (2, 2), (2, 2), 1),
        ("dilated_s2", 1, 3, 12, 10, 4, (3, 2), (2, 3), (3, 1), (2, 3), 1),
        ("stride3", 1, 5, 10, 11, 3, (2, 2), (3, 3), (0, 1), (1, 1), 1),
        ("groups2", 2, 6, 6, 7, 8, (3, 3), (1, 1), (1, 1), (1, 1), 2),
        ("groups3_s2", 1, 9, 8, 5, 6, (3, 3), (2, 1), (1, 0), (1, 1), 3),
        ("multiplier", 1, 5, 7, 6, 15, (3, 3), (1, 2), (1, 1), (1, 1), 5),
        ("depthwise", 2, 19, 6, 7, 19, (3, 3), (1, 1), (1, 1), (1, 1), 19),
        ("depthwise_k5_s2", 1, 21, 9, 11, 21, (5, 5), (2, 2), (2, 2), (1, 1), 21),
        ("depthwise_s2_d2", 1, 17, 11, 10, 17, (3, 3), (2, 2), (2, 2), (2, 2), 17),
        ("wide_padding", 1, 3, 4, 5, 4, (3, 3), (1, 1), (3, 3), (1, 1), 1),
        ("deep", 1, 70, 4, 3, 11, (3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("linear", 3, 37, 1, 1, 10, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ]:
        x, wt, b = rand(n, c, h, w), rand(k, c // groups, *kernel), rand(k)
        if name == "linear":
            y = F.linear(x.flatten(1), wt.flatten(1), b)[:, :, None, None]
        else:
            y = F.conv2d(x, wt, b, s, p, d, groups)
        dy, dx, dw, db = gradients(y, x, wt, b)
        values = dict(n=n, c=c, h=h, w=w, k=k, kh=kernel[0], kw=kernel[1], sh=s[0], sw=s[1],
                      ph=p[0], pw=p[1], dh=d[0], dw=d[1], groups=groups, p=y.shape[2], q=y.shape[3])
        g.case(name, "conv2d", values, x=x, w=wt, b=b, y=y, dy=dy, dx=dx, dw=dw, db=db)


def norm(g):
    for name, batch, n, c, h, w, shift in [
        ("batch", 1, 3, 7, 5, 4, 0), ("batch_offset", 1, 2, 5, 6, 7, 3), ("batch_1d", 1, 13, 9, 1, 1, 0),
        ("frozen", 0, 2, 6, 5, 3, 0), ("frozen_wide", 0, 1, 35, 2, 3, 1),
    ]:
        x = (torch.randn(n, c, h, w) * 2 + shift).double().requires_grad_()
        gamma, beta, eps = rand(c), rand(c), 1e-5
        mean, var = torch.randn(c).double(), torch.rand(c).double() + 0.5
        y = F.batch_norm(x, mean.clone(), var.clone(), gamma, beta, bool(batch), 0.1, eps)
        dy, dx, dgamma, dbeta = gradients(y, x, gamma, beta)
        if batch:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        g.case(name, "batchnorm2d", dict(n=n, c=c, h=h, w=w, batch=batch, eps=eps), x=x, gamma=gamma,
               beta=beta, mean=mean, var=var, y=y, dy=dy, dx=dx, dgamma=dgamma, dbeta=dbeta)


def act(g):
    # Without 3 and -3, where PyTorch's vectors and scalars differ in hardswish's gradient.
    corners = [0.0, -0.0, 2.9999998, -2.9999998, 6.0, -6.0, 1e-30, -1e-30, 5.9999995, 6.0000005, 100, -100]
    for name, f in [("relu", F.relu), ("relu6", F.relu6), ("hardswish", F.hardswish),
                    ("sigmoid", torch.sigmoid)]:
        x = torch.cat([torch.tensor(corners), torch.randn(89) * 4]).double().requires_grad_()
        y = f(x)
        dy, dx = gradients(y, x)
        g.case(name, name, dict(n=len(x)), x=x, y=y, dy=dy, dx=dx)
    for name, gate, n, c, h, w in [("mul", 0, 2, 5, 3, 4), ("gate", 1, 3, 7, 5, 3)]:
        a, b = rand(n, c, h, w), rand(n, c, 1, 1) if gate else rand(n, c, h, w)
        y = a * b
        dy, da, db = gradients(y, a, b)
        g.case(name, "mul", dict(n=n, c=c, h=h, w=w, gate=gate), a=a, b=b, y=y, dy=dy, da=da, db=db)
    x = rand(2, 5, 3, 4)
    y = x.flatten(1)
    dy, dx = gradients(y, x)
    g.case("flatten", "flatten", dict(n=2, c=5, h=3, w=4), x=x, y=y, dy=dy, dx=dx)


def pool(g):
    # name, n, c, h, w, (kh, kw), stride, padding, ceil, include_pad
    cases = [
        ("k2", 2, 5, 6, 8, (2, 2), (2, 2), (0, 0), 0, 1),
        ("k3_s2_p1", 1, 7, 9, 11, (3, 3), (2, 2), (1, 1), 0, 1),
        ("k3_s2_p1_exclude", 1, 7, 9, 10, (3, 3), (2, 2), (1, 1), 0, 0),
        ("k3_s2_ceil", 1, 4, 8, 10, (3, 3), (2, 2), (0, 0), 1, 1),
        ("k3_s2_p1_ceil", 1, 3, 8, 6, (3, 3), (2, 2), (1, 1), 1, 1),
        ("k3_s2_p1_ceil_exclude", 1, 3, 8, 6, (3, 3), (2, 2), (1, 1), 1, 0),
        ("oblong", 2, 3, 7, 9, (2, 5), (1, 3), (1, 2), 0, 1),
        ("overlap", 1, 19, 5, 6, (3, 2), (1, 1), (0, 0), 0, 1),
        ("gaps", 1, 5, 9, 9, (2, 2), (3, 4), (0, 0), 0, 1),
    ]
    for name, n, c, h, w, kernel, s, p, ceil, include in cases:
        x = rand(n, c, h, w)
        y = F.avg_pool2d(x, kernel, s, p, bool(ceil), bool(include))
        dy, dx = gradients(y, x)
        v = dict(n=n, c=c, h=h, w=w, kh=kernel[0], kw=kernel[1], sh=s[0], sw=s[1], ph=p[0], pw=p[1],
                 ceil=ceil, include=include, p=y.shape[2], q=y.shape[3])
        g.case("avg_" + name, "avgpool2d", v, x=x, y=y, dy=dy, dx=dx)
        if not include:
            continue
        # Few different values: equal ones in a window tell which of them is chosen.
        x = torch.randint(-2, 3, (n, c, h, w)).double().requires_grad_()
        y, index = F.max_pool2d(x, kernel, s, p, 1, bool(ceil), return_indices=True)
        dy, dx = gradients(y, x)
        g.case("max_" + name, "maxpool2d", v, x=x, y=y, index=index, dy=dy, dx=dx)
    for name, n, c, h, w, p, q in [("global", 2, 9, 5, 7, 1, 1), ("even", 1, 4, 6, 8, 3, 4),
                                   ("uneven", 2, 5, 7, 10, 3, 6), ("larger", 1, 3, 3, 4, 5, 7)]:
        x = rand(n, c, h, w)
        y = F.adaptive_avg_pool2d(x, (p, q))
        dy, dx = gradients(y, x)
        g.case("adaptive_" + name, "adaptive_avgpool2d", dict(n=n, c=c, h=h, w=w, p=p, q=q), x=x, y=y,
               dy=dy, dx=dx)


def upsample(g):
    for name, n, c, h, w, p, q in [("double", 2, 5, 3, 4, 6, 8), ("odd", 1, 7, 5, 3, 11, 8),
                                   ("mixed", 1, 4, 6, 5, 4, 13), ("smaller", 1, 3, 9, 10, 4, 3),
                                   ("one", 1, 6, 1, 1, 5, 3), ("same", 1, 2, 4, 3, 4, 3),
                                   ("x4", 1, 3, 7, 6, 28, 24), ("to_one", 1, 3, 5, 4, 1, 1)]:
        for mode in "nearest", "bilinear":
            x = rand(n, c, h, w)
            options = {} if mode == "nearest" else {"align_corners": False}
            y = F.interpolate(x, (p, q), mode=mode, **options)
            dy, dx = gradients(y, x)
            g.case(f"{mode}_{name}", mode, dict(n=n, c=c, h=h, w=w, p=p, q=q), x=x, y=y, dy=dy, dx=dx)
    # 41 * 2/82 is below 1 in float, and with it PyTorch's choice of a pixel (of float32 pictures).
    x = torch.randn(1, 2, 2, 3)
    y = F.interpolate(x, (82, 123), mode="nearest")
    assert (y[:, :, 41] == y[:, :, 0]).all()
    y = y[:, :, 40:43]
    g.case("nearest_rounding", "nearest_rows", dict(n=1, c=2, h=2, w=3, p=82, q=123), x=x, y=y)


def loss(g):
    for name, rows, k, weighted, smoothing, ignore in [
        ("plain", 5, 10, 0, 0, -1), ("two", 7, 2, 0, 0, -1), ("one_row", 1, 17, 0, 0, -1),
        ("smooth", 6, 9, 0, 0.1, -1), ("weighted", 8, 7, 1, 0, -1),
        ("weighted_smooth", 8, 7, 1, 0.25, -1), ("ignored", 20, 5, 0, 0, 255),
        ("all", 20, 21, 1, 0.1, 255), ("large", 6, 8, 0, 0, -1), ("wide", 3, 1000, 0, 0.1, -1),
    ]:
        logits = (torch.randn(rows, k) * (50 if name == "large" else 2)).double().requires_grad_()
        label = torch.randint(0, k, (rows,))
        if ignore >= 0:
            label[torch.rand(rows) < 0.4] = ignore
        weight = (torch.rand(k) * 2 + 0.1).double() if weighted else None
        y = F.cross_entropy(logits, label, weight, ignore_index=ignore, label_smoothing=smoothing)
        dz, = torch.autograd.grad(y, logits)
        used = label != ignore
        norm_ = weight[label[used]].sum() if weighted else used.sum().double()
        correct = int((logits.argmax(1) == label)[used].sum())
        t = dict(logits=logits, label=label, y=y.reshape(1), norm=norm_.reshape(1), dlogits=dz)
        if weighted:
            t["weight"] = weight
        g.case(name, "cross_entropy", dict(rows=rows, k=k, weighted=weighted, smoothing=smoothing,
                                           ignore=ignore, correct=correct, used=int(used.sum())), **t)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for f in conv, norm, act, pool, upsample, loss:
        gold = Gold(f.__name__)
        f(gold)
        gold.write()
