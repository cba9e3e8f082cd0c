#!/usr/bin/python3
"""Golden numbers of gradient modes in PyTorch's operators: writes filter.safetensors beside itself.

Gradient filtering (Yang, Li, Marculescu, CVPR 2023) put together from pad, avg_pool2d, einsum,
conv2d and repeat_interleave, in float64, for random float32 x, w and dy. Files are laid out as
ops.py says. Each case is "filter key=value ...": a convolution, r (outputs along the side of a
patch), and paper=1 where the stride is left out of the scale, as in the published code.

    /usr/bin/python3 tests/gold/modes.py        (Debian: python3-torch)
"""
import math

import torch
import torch.nn.functional as F

from ops import Gold


def margins(total, size):
    """Zeros before and after `size` elements that `total` are laid over centrally; may be < 0."""
    before = math.ceil((total - size) / 2)
    return before, total - size - before


def fit(t, total):
    """The last two sides of t padded, or cropped, to `total`."""
    top, left = (margins(n, size) for n, size in zip(total, t.shape[2:]))
    return F.pad(t, left + top)


def patch_sums(t, grid, patch):
    t = fit(t, [n * m for n, m in zip(grid, patch)])
    return F.avg_pool2d(t, patch, patch, divisor_override=1)


class Filtered(torch.autograd.Function):
    """conv2d whose gradients are those of patches of r x r outputs."""

    @staticmethod
    def forward(ctx, x, w, stride, padding, dilation, groups, r, paper):
        y = F.conv2d(x, w, None, stride, padding, dilation, groups)
        ctx.grid = [math.ceil(n / r) for n in y.shape[2:]]
        ctx.patch = [r * s for s in stride]
        ctx.size = x.shape[2:]
        ctx.conf = dilation, groups, r, 1 if paper else 1 / (stride[0] * stride[1])
        ctx.save_for_backward(patch_sums(x, ctx.grid, ctx.patch), w)
        return y

    @staticmethod
    def backward(ctx, dy):
        xs, w = ctx.saved_tensors
        dilation, groups, r, scale = ctx.conf
        n, k, c = len(dy), dy.shape[1], xs.shape[1]

        inside = patch_sums(torch.ones_like(dy), ctx.grid, [r, r])
        g = patch_sums(dy, ctx.grid, [r, r]) / inside
        pads = [margins(m * r, size)[0] for m, size in zip(ctx.grid, dy.shape[2:])]
        if max(pads) <= r // 2:
            mean = F.avg_pool2d(dy, r, r, pads, count_include_pad=False)
            assert torch.allclose(mean[:, :, :ctx.grid[0], :ctx.grid[1]], g)

        # Sides that are dilated by a patch or more keep their taps.
        spread = [d // r if d > 1 and d >= r and taps > 1 else 0
                  for d, taps in zip(dilation, w.shape[2:])]
        kernel = w
        for side in range(2):
            if not spread[side]:
                kernel = kernel.sum(2 + side, keepdim=True)
        back = kernel.reshape(groups, k // groups, c // groups, *kernel.shape[2:])
        back = back.transpose(1, 2).flip(3, 4).reshape(c, k // groups, *kernel.shape[2:])
        pad = [e * (taps - 1) // 2 for e, taps in zip(spread, kernel.shape[2:])]
        dxp = F.conv2d(g, back, None, 1, pad, [max(e, 1) for e in spread], groups)
        assert dxp.shape == xs.shape
        dx = dxp.repeat_interleave(ctx.patch[0], 2).repeat_interleave(ctx.patch[1], 3)
        margin = [margins(total, size) for total, size in zip(dx.shape[2:], ctx.size)]
        dx = F.pad(dx, [-m for pair in reversed(margin) for m in pair])

        gg = g.reshape(n, groups, k // groups, *ctx.grid)
        xg = xs.reshape(n, groups, c // groups, *ctx.grid)
        dwp = torch.einsum("ngkij,ngcij->gkc", gg, xg).reshape(k, c // groups, 1, 1)
        dw = dwp.expand(w.shape)
        return (dx * scale, dw * scale) + 6 * (None,)


CASES = [
    # name, n, c, h, w, k, (kh, kw), stride, padding, dilation, groups, r
    ("k3_r1", 1, 4, 7, 5, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
    ("k3_r2", 2, 4, 7, 9, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, 2),
    ("k3_r2_even", 1, 4, 8, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1, 2),
    ("k3_r3", 1, 4, 8, 10, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, 3),
    ("k3_r4", 2, 3, 9, 11, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, 4),
    ("k3_r7", 1, 3, 15, 10, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, 7),
    ("k3_r12", 2, 4, 5, 6, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, 12),
    ("pointwise_r1", 1, 7, 5, 6, 9, (1, 1), (1, 1), (0, 0), (1, 1), 1, 1),
    ("pointwise_r4", 2, 5, 7, 6, 3, (1, 1), (1, 1), (0, 0), (1, 1), 1, 4),
    ("pointwise_padded", 1, 3, 4, 5, 4, (1, 1), (1, 1), (1, 2), (1, 1), 1, 2),
    ("k5_r2", 1, 3, 9, 8, 4, (5, 5), (1, 1), (2, 2), (1, 1), 1, 2),
    ("k5_r3", 1, 4, 10, 7, 3, (5, 5), (1, 1), (2, 2), (1, 1), 1, 3),
    ("oblong", 2, 4, 6, 9, 5, (1, 5), (1, 1), (0, 2), (1, 1), 1, 2),
    ("oblong_even", 1, 3, 7, 8, 4, (2, 3), (1, 1), (1, 1), (1, 1), 1, 3),
    ("valid_r1", 1, 3, 7, 6, 4, (3, 3), (1, 1), (0, 0), (1, 1), 1, 1),
    ("valid_r2", 2, 3, 8, 7, 4, (3, 3), (1, 1), (0, 0), (1, 1), 1, 2),
    ("valid_k2", 1, 4, 5, 6, 3, (2, 2), (1, 1), (0, 0), (1, 1), 1, 1),
    ("valid_k5", 1, 2, 11, 9, 3, (5, 5), (1, 1), (0, 0), (1, 1), 1, 2),
    ("wide_padding", 1, 3, 4, 5, 4, (3, 3), (1, 1), (3, 3), (1, 1), 1, 2),
    ("one_pixel", 3, 9, 1, 1, 7, (1, 1), (1, 1), (0, 0), (1, 1), 1, 4),
    ("depthwise_r2", 2, 5, 7, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1), 5, 2),
    ("depthwise_k5_r4", 1, 5, 9, 11, 5, (5, 5), (1, 1), (2, 2), (1, 1), 5, 4),
    ("multiplier", 1, 5, 7, 6, 15, (3, 3), (1, 1), (1, 1), (1, 1), 5, 2),
    ("groups2", 2, 6, 7, 5, 8, (3, 3), (1, 1), (1, 1), (1, 1), 2, 2),
    ("groups2_r4", 1, 8, 9, 7, 4, (1, 1), (1, 1), (0, 0), (1, 1), 2, 4),
    ("dilated2_r2", 1, 2, 11, 9, 3, (3, 3), (1, 1), (2, 2), (2, 2), 1, 2),
    ("dilated2_r4", 1, 2, 11, 9, 3, (3, 3), (1, 1), (2, 2), (2, 2), 1, 4),
    ("dilated4_r2", 1, 2, 11, 13, 3, (3, 3), (1, 1), (4, 4), (4, 4), 1, 2),
    ("dilated4_r4", 2, 2, 13, 10, 2, (3, 3), (1, 1), (4, 4), (4, 4), 1, 4),
    ("dilated6_r2", 1, 2, 14, 13, 3, (3, 3), (1, 1), (6, 6), (6, 6), 1, 2),
    ("dilated6_r4", 1, 2, 15, 17, 2, (3, 3), (1, 1), (6, 6), (6, 6), 1, 4),
    ("dilated2_r1", 1, 3, 7, 8, 4, (3, 3), (1, 1), (2, 2), (2, 2), 1, 1),
    ("dilated2_k5", 1, 3, 9, 12, 2, (5, 5), (1, 1), (4, 4), (2, 2), 1, 2),
    ("dilated_cols", 1, 4, 9, 12, 3, (3, 3), (1, 1), (1, 4), (1, 4), 1, 2),
    ("dilated_rows", 1, 3, 12, 9, 4, (3, 1), (1, 1), (4, 0), (4, 4), 1, 2),
    ("dilated_groups", 1, 6, 9, 10, 4, (3, 3), (1, 1), (2, 2), (2, 2), 2, 2),
    ("dilated_depthwise", 2, 5, 9, 7, 5, (3, 3), (1, 1), (4, 4), (4, 4), 5, 2),
]
# The same in both scales, as <name> and <name>_paper.
STRIDED = [
    ("pointwise_s2", 1, 6, 7, 8, 5, (1, 1), (2, 2), (0, 0), (1, 1), 1, 2),
    ("k3_s2_r1", 1, 4, 9, 8, 5, (3, 3), (2, 2), (1, 1), (1, 1), 1, 1),
    ("k3_s2_r2", 2, 4, 9, 8, 5, (3, 3), (2, 2), (1, 1), (1, 1), 1, 2),
    ("k3_s2_r4", 1, 2, 15, 17, 3, (3, 3), (2, 2), (1, 1), (1, 1), 1, 4),
    ("k3_s21_r3", 1, 2, 11, 7, 3, (3, 3), (2, 1), (1, 1), (1, 1), 1, 3),
    ("stem", 1, 3, 15, 13, 2, (7, 7), (2, 2), (3, 3), (1, 1), 1, 2),
    ("stride3_valid", 1, 3, 11, 10, 4, (2, 2), (3, 3), (0, 0), (1, 1), 1, 2),
    ("depthwise_s2", 1, 5, 9, 11, 5, (5, 5), (2, 2), (2, 2), (1, 1), 5, 3),
    ("groups2_s2", 1, 6, 8, 7, 4, (3, 3), (2, 2), (1, 1), (1, 1), 2, 2),
]


def add(gold, paper, name, n, c, h, w, k, kernel, s, p, d, groups, r):
    x = torch.randn(n, c, h, w).double().requires_grad_()
    wt = torch.randn(k, c // groups, *kernel).double().requires_grad_()
    y = Filtered.apply(x, wt, s, p, d, groups, r, paper)
    dy = torch.randn(y.shape).double()
    dx, dw = torch.autograd.grad(y, (x, wt), dy)
    values = dict(n=n, c=c, h=h, w=w, k=k, kh=kernel[0], kw=kernel[1], sh=s[0], sw=s[1], ph=p[0],
                  pw=p[1], dh=d[0], dw=d[1], groups=groups, p=y.shape[2], q=y.shape[3], r=r,
                  paper=int(paper))
    gold.case(name, "filter", values, x=x, w=wt, dy=dy, dx=dx, dw=dw)


if __name__ == "__main__":
    torch.set_num_threads(1)
    gold = Gold("filter")
    for case in CASES:
        add(gold, False, *case)
    for case in STRIDED:
        add(gold, False, *case)
        add(gold, True, case[0] + "_paper", *case[1:])
    gold.write()
