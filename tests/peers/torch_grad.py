#!/usr/bin/python3
"""Loss, logits and gradients of whole networks against PyTorch's, by `edgetrain grad`.

torchvision's own resnet18 and mobilenet_v2, and the networks of tests/gold/seg.py, get random weights;
PyTorch computes one batch in float64, edgetrain the same batch from the same files with the specs in
configs/; beside it stands how far PyTorch's own float32 is from its float64. Networks for segmentation
have a label a pixel, a tenth of them ignored, and half the batch. An error is |got - want| / |want|, norms over all
elements of a tensor. A gradient that is zero but for rounding, such as that of a shift which the
next batch norm takes out again, is measured against the whole gradient instead.

Limit: LIMIT, or failing that twice PyTorch's float32. An activation that lies within rounding of a kink of ReLU
or ReLU6 falls on the other side now and then, here or in PyTorch's float32, and shifts all gradients
below it. What exceeds LIMIT is therefore tried with other numbers, TRIES times at most: a kink is met
by some of them, a mistake by all. MobileNetV2 has so many activations that pictures for segmentation
are half as large there.

    make peers-grad                                 (Debian: python3-torch, python3-torchvision)
    /usr/bin/python3 tests/peers/torch_grad.py [--edgetrain PROGRAM] [--size 64] [--batch 4] [--seed 1] [-v]
                                               [CONFIG]...

Exit code 1 when an error exceeds its limit with every seed.
"""
import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "gold"))
sys.dont_write_bytecode = True
import seg  # noqa: E402
import tensors  # noqa: E402

LIMIT, TRIES = 1e-3, 10


# ---- the two sides -------------------------------------------------------------------------------

def norms(net):
    return [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]


def randomize(net, x):
    """Batch norm as after training: statistics of real activations, scales and shifts of its own."""
    for m in norms(net):
        m.momentum = 1
        nn.init.normal_(m.weight, 1, 0.2)
        nn.init.normal_(m.bias, 0, 0.2)
    net.train()
    with torch.no_grad():
        net(x)
    for m in norms(net):
        m.momentum = 0.1
        m.running_mean += 0.1 * m.running_var.sqrt() * torch.randn(m.running_mean.shape)
        m.running_var *= 0.7 + 0.6 * torch.rand(m.running_var.shape)


def torch_side(net, x, target, frozen, smoothing, weight, dtype):
    net = copy.deepcopy(net).to(dtype)
    net.train()
    for m in norms(net) if frozen else []:
        m.eval()
    x = x.to(dtype, copy=True).requires_grad_()
    logits = net(x)
    loss = F.cross_entropy(logits, target, weight.to(dtype), label_smoothing=smoothing,
                           ignore_index=255 if target.dim() == 3 else -100)
    loss.backward()
    out = {"loss": loss, "logits": logits, "input": x.grad}
    out.update({name: p.grad for name, p in net.named_parameters()})
    return {name: v.detach().double() for name, v in out.items()}


def our_side(args, work, model, x, options):
    with open(os.path.join(TOP, "configs", model + ".json")) as f:
        spec = json.load(f)
    spec["input"].update(height=x.shape[2], width=x.shape[3])
    for layer in spec["layers"]:
        if layer["type"] == "dropout":
            layer["p"] = 0
        if layer["type"] in ("fcn", "aspp", "psp", "uper"):
            layer["dropout"] = 0
    with open(f"{work}/spec.json", "w") as f:
        json.dump(spec, f)
    subprocess.run([args.edgetrain, "grad", f"{work}/spec.json", f"{work}/batch", "--weights",
                    f"{work}/weights", "--input-grad", "--quiet", "--out", f"{work}/out", *options],
                   check=True)
    got, meta = tensors.read(f"{work}/out")
    return {name: torch.from_numpy(v.astype("f8")) for name, v in got.items()}, meta


# ---- comparison ----------------------------------------------------------------------------------

def error(got, want, name, whole):
    a, b = got[name], want[name]
    assert a.shape == b.shape, f"{name}: shape {list(a.shape)}, not {list(b.shape)}"
    size = b.norm().item()
    return (a - b).norm().item() / (size if size > 1e-12 * whole else whole)


def worst(got, want, names):
    """The largest error of those tensors, and whose it is. NaN is larger than anything."""
    whole = sum(want[name].norm().item() ** 2 for name in names) ** 0.5
    errors = {name: error(got, want, name, whole) for name in names}
    name = max(errors, key=lambda k: float("inf") if errors[k] != errors[k] else errors[k])
    return errors, errors[name], name


def compare(args, work, model, net, x, target, classes, case, frozen, last=0, smoothing=0.0, weight=None):
    options = ["--bn", "frozen" if frozen else "batch", "--label-smoothing", str(smoothing)]
    if last:
        options += ["--last", str(last)]
    if weight is None:
        weight = torch.ones(classes)
    else:
        with open(f"{work}/classes", "w") as f:
            f.writelines(f"{v:.9g}\n" for v in weight.tolist())
        options += ["--class-weights", f"{work}/classes"]
    want = torch_side(net, x, target, frozen, smoothing, weight, torch.float64)
    single = torch_side(net, x, target, frozen, smoothing, weight, torch.float32)
    got, meta = our_side(args, work, model, x, options)
    named = [name for name, _ in net.named_parameters()]
    if last:
        named = [name for name in named if name in got]
        assert 0 < len(named) < len(want) - 3, "what trains is not a part"
    assert set(got) == {"loss", "logits", "input", *named}, "names of tensors"
    assert meta["bn"] == options[1] and meta["mode"] == "exact" and meta["seed"] == "0", meta
    grade = 0
    print(f"{model}, {case}: {len(named)} parameters, loss {got['loss'].item():.6f}")
    for what, names in (("loss", ["loss"]), ("logits", ["logits"]), ("input", ["input"]),
                        ("parameters", named)):
        errors, off, name = worst(got, want, names)
        peers, peer, _ = worst(single, want, names)
        mark = 0 if off <= LIMIT else 1 if off <= 2 * peer else 2
        grade = max(grade, mark)
        print(f"  {what:<11} {off:.2e}   PyTorch's float32 {peer:.2e}"
              + (f"   {name}" if what == "parameters" else "") + ("", "   as PyTorch's", "   BAD")[mark])
    for name in named if args.verbose else []:
        print(f"    {errors[name]:.2e} {peers[name]:.2e} {name}")
    return grade


def data(args, model):
    """A network, pictures, labels, and how many classes there are."""
    if model in seg.NETS:
        side, n = args.size // (2 if "mobilenet" in model else 1), max(args.batch // 2, 2)
        target = torch.randint(0, 21, (n, side, side))
        target[torch.rand(target.shape) < 0.1] = 255
        return seg.NETS[model](21), torch.randn(n, 3, side, side), target, 21
    net = seg.resnet20_cifar() if model == "resnet20-cifar" else getattr(torchvision.models, model)()
    classes = 10 if model == "resnet20-cifar" else 1000
    x = torch.randn(args.batch, 3, args.size, args.size)
    return net, x, torch.randint(0, classes, (args.batch,)), classes


CASES = (("batch norm by batch", False, {}), ("batch norm frozen", True, {}),
         ("frozen, last 4, smoothing, class weights", True, {"last": 4, "smoothing": 0.1}))


def check_once(args, model, seed, cases):
    """How each of the cases fared: 0 within LIMIT, 1 within twice PyTorch's float32, 2 neither."""
    torch.manual_seed(seed)
    net, x, target, classes = data(args, model)
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0
    randomize(net, torch.randn(x.shape))
    grades = {}
    with tempfile.TemporaryDirectory() as work:
        tensors.write(f"{work}/weights", net.state_dict())
        tensors.write(f"{work}/batch", {"input": x, "target": target})
        for case in cases:
            name, frozen, options = case
            weight = torch.rand(classes) + 0.5 if options else None
            grades[name] = compare(args, work, model, net, x, target, classes,
                                   f"{name}, seed {seed}", frozen, weight=weight, **options)
    return grades


def check(args, model):
    best = {case[0]: 2 for case in CASES}
    for i in range(TRIES):
        left = [case for case in CASES if best[case[0]]]
        if left:
            for name, grade in check_once(args, model, args.seed + i, left).items():
                best[name] = min(best[name], grade)
    print(f"{model}: " + ("BAD" if 2 in best.values() else "good"))
    return 2 in best.values()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--edgetrain", default=os.path.join(TOP, "build", "edgetrain"))
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("-v", "--verbose", action="store_true", help="every parameter")
    p.add_argument("config", nargs="*", help="their names, without .json; default: all")
    args = p.parse_args()
    print(f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}; "
          f"{args.batch} images of {args.size}x{args.size}; errors against float64")
    nets = args.config or ["resnet18", "mobilenet_v2", "resnet20-cifar", *seg.NETS]
    bad = [check(args, model) for model in nets]
    sys.exit(1 if any(bad) else 0)


main()
