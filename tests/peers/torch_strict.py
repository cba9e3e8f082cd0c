#!/usr/bin/python3
"""A run's model.safetensors in torchvision's own model: all names and shapes, and the same logits.

    torch_strict.py batch BATCH                          writes random pictures
    torch_strict.py compare MODEL WEIGHTS BATCH GRAD     GRAD: what edgetrain grad made of them

Exit code 1 when load_state_dict(strict=True) refuses, or a logit is off by 1e-4 of the largest.
"""
import sys

import torch
import torchvision

sys.dont_write_bytecode = True
import tensors  # noqa: E402


def read(path):
    return {name: torch.from_numpy(v.copy()) for name, v in tensors.read(path)[0].items()}


def compare(model, weights, batch, grad):
    state = read(weights)
    head = {"resnet18": "fc.bias", "mobilenet_v2": "classifier.1.bias"}[model]
    classes = len(state[head])
    net = getattr(torchvision.models, model)(num_classes=classes)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    print(net.load_state_dict(state, strict=True))
    same = [n for n, t in net.state_dict().items() if t.is_floating_point() and torch.equal(t, before[n])]
    if same:
        sys.exit(f"not trained, or not loaded: {same[:5]}")
    net.eval()
    with torch.no_grad():
        want = net(read(batch)["input"])
    got = read(grad)["logits"]
    off = ((got - want).abs().max() / want.abs().max()).item()
    print(f"{model}: {len(state)} tensors, {classes} classes, logits off by {off:.1e} of the largest")
    if not off <= 1e-4:
        sys.exit(1)


def main():
    if sys.argv[1] == "batch":
        torch.manual_seed(3)
        tensors.write(sys.argv[2], {"input": torch.randn(4, 3, 64, 64), "target": torch.tensor([0, 1, 2, 0])})
    else:
        compare(*sys.argv[2:])


main()
