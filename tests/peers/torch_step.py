#!/usr/bin/python3
"""Whole training steps of PyTorch on random pictures, timed: the other side of step.c.

    torch_step.py MODEL SIZE BATCH LAST LAYOUT THREADS STEPS

MODEL: resnet18 or mobilenet_v2 of torchvision; LAST 0: everything trains, batch norm by batch, else
the last so many convolutions and the classifier with batch norm frozen; LAYOUT: nchw or nhwc.
Prints forward, backward and step in milliseconds (medians), and resident megabytes at most.
"""
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
import torchvision


def freeze(model, last):
    """Leaves the last convolutions and what is no convolution or batch norm behind them trainable."""
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    keep = set(convs[-last:]) | {m for m in model.modules() if isinstance(m, torch.nn.Linear)}
    for m in model.modules():
        for p in m.parameters(recurse=False):
            p.requires_grad_(m in keep)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.eval()


def main():
    name, size, batch, last, layout, threads, steps = sys.argv[1:]
    size, batch, last, steps = int(size), int(batch), int(last), int(steps)
    torch.manual_seed(1)
    torch.set_num_threads(int(threads))
    model = getattr(torchvision.models, name)(weights=None)
    model.train()
    if last:
        freeze(model, last)
    x = torch.randn(batch, 3, size, size)
    target = torch.randint(1000, (batch,))
    if layout == "nhwc":
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    forward, backward, step = [], [], []
    for i in range(-2, steps):  # two to warm up
        t0 = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), target)
        t1 = time.perf_counter()
        loss.backward()
        t2 = time.perf_counter()
        optimizer.step()
        t3 = time.perf_counter()
        if i >= 0:
            forward.append(t1 - t0)
            backward.append(t2 - t1)
            step.append(t3 - t0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print("%.3f %.3f %.3f %.1f" % tuple([1e3 * statistics.median(v) for v in (forward, backward, step)] + [peak]))


main()
