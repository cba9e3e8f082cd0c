#!/usr/bin/python3
"""Golden numbers of whole nets from PyTorch, beside this file:

net-NAME.txt                             names and shapes of torchvision's state_dict, or of the networks
                                         in seg.py (those of mcunet-5fps, proxyless-w0.3, mbv2-w0.35 and
                                         deeplabv3_mnv2_voc list what is in files of pretrained weights)
net-step.safetensors                     one step: logits, loss, gradients, running statistics
net-heads.safetensors                    the same of segmentation: heads, dilated blocks, labels by pixel
net-train.safetensors                    several steps of each optimizer: losses, final weights
net-state.safetensors                    a plain state_dict; its logits are a case of net-step

The nets are described by specs of this project and built here from torch's and torchvision's own
modules, so that names, shapes and meanings are theirs. Numbers are computed in float64 from float32
inputs. The format is that of ops.py; a case's spec stands under "<case>.spec" in the metadata.

    /usr/bin/python3 tests/gold/net.py                    writes the files (Debian: python3-torchvision)
    /usr/bin/python3 tests/gold/net.py --check MODEL IO   does torch load MODEL strictly by its spec
                                                          and find IO's logits from IO's x?
"""
import json
import os
import struct
import sys

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock

import seg
from ops import Gold

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- specs as torch modules --------------------------------------------------------------------

def basic_block(c, d):
    out, stride = d["out_channels"], d.get("stride", 1)
    short = None
    if stride != 1 or c != out:
        short = nn.Sequential(nn.Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    block, dilation = BasicBlock(c, out, stride, short), d.get("dilation", 1)
    for conv, e in (block.conv1, d.get("first_dilation", dilation)), (block.conv2, dilation):
        conv.dilation = conv.padding = (e, e)
    return block, out


def inverted_residual(c, d):
    out = d["out_channels"]
    block = InvertedResidual(c, out, d.get("stride", 1), d.get("expand_ratio", 6))
    for m in block.modules():
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            m.dilation = m.padding = (d.get("dilation", 1),) * 2
    return block, out


def head(make):
    def made(c, d):
        options = {k: v for k, v in d.items() if k not in ("name", "type", "inputs")}
        out = options.pop("out_channels")
        return make(c, out, **options), out
    return made


COMPOSITE = {"basic_block": basic_block, "inverted_residual": inverted_residual,
             "fcn": head(seg.fcn_head), "aspp": head(seg.aspp_head), "psp": head(seg.PSPHead),
             "uper": head(seg.UPerHead)}


class Gate(nn.Module):
    def forward(self, a, b):
        return a * b


class Add(nn.Module):
    def forward(self, *x):
        return sum(x[1:], x[0])


class Concat(nn.Module):
    def forward(self, *x):
        return torch.cat(x, 1)


class Vector(nn.Module):
    """A layer on vectors, between feature maps of 1x1."""
    def __init__(self, inner):
        super().__init__()
        self.add_module("inner", inner)

    def forward(self, x):
        return self.inner(x.flatten(1))[:, :, None, None]


class Upsample(nn.Module):
    def __init__(self, size, mode):
        super().__init__()
        self.size, self.mode = size, mode

    def forward(self, x):
        more = {} if self.mode == "nearest" else {"align_corners": False}
        return F.interpolate(x, self.size, mode=self.mode, **more)


def primitive(c, d):
    """A module and its number of output channels (None: those of flatten, found by running)."""
    kind = d["type"]
    options = {k: v for k, v in d.items() if k not in ("name", "type", "inputs")}
    if kind == "conv2d":
        out, kernel = options.pop("out_channels"), options.pop("kernel_size")
        kernel = tuple(kernel) if isinstance(kernel, list) else kernel
        return nn.Conv2d(c, out, kernel, **options), out
    if kind == "linear":
        out = options.pop("out_features")
        return nn.Linear(c, out, **options), out
    if kind == "batchnorm2d":
        return nn.BatchNorm2d(c, **options), c
    if kind == "flatten":
        return nn.Flatten(), None
    if kind == "upsample2d":
        return Upsample(options["size"], options["mode"]), c
    if kind == "concat":
        return Concat(), None
    plain = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hardswish": nn.Hardswish, "sigmoid": nn.Sigmoid,
             "maxpool2d": nn.MaxPool2d, "avgpool2d": nn.AvgPool2d, "dropout": nn.Dropout, "add": Add,
             "mul": Gate, "adaptive_avgpool2d": nn.AdaptiveAvgPool2d}
    if kind == "global_avgpool2d":
        return nn.AdaptiveAvgPool2d(1), c
    return plain[kind](**options), c


class Net(nn.Module):
    def __init__(self, spec):
        super().__init__()
        shape = spec["input"]
        self.steps, self.ignore = [], -100
        probe = {"input": torch.zeros(2, shape["channels"], shape["height"], shape["width"])}
        last = "input"
        for i, d in enumerate(spec["layers"]):
            name = d.get("name", str(i))
            if d["type"] == "softmax-cross-entropy":
                self.ignore = d.get("ignore_index", -100)
                continue
            inputs = d.get("inputs", [last])
            inputs = [inputs] if isinstance(inputs, str) else inputs
            c = [probe[k].shape[1] for k in inputs]
            d = {k: spec["classes"] if v == "classes" else v for k, v in d.items()}
            if isinstance(d.get("size"), str):
                d["size"] = list(probe[d["size"]].shape[2:])
            make = COMPOSITE.get(d["type"], primitive)
            module, _ = make(c if d["type"] == "uper" else c[0], d)
            self.attach(name, module)
            # Flatten and linear leave the maps of 1x1 that specs have.
            run = Vector(module) if d["type"] in ("flatten", "linear") else module
            with torch.no_grad():
                probe[name] = run(*[probe[k] for k in inputs])
            self.steps.append((run, inputs, name))
            last = name
        self.last = last

    def attach(self, name, module):
        at, parts = self, name.split(".")
        for p in parts[:-1]:
            if p not in at._modules:
                at.add_module(p, nn.Module())
            at = at._modules[p]
        at.add_module(parts[-1], module)

    def forward(self, x):
        values = {"input": x}
        for run, inputs, name in self.steps:
            values[name] = run(*[values[k] for k in inputs])
        out = values[self.last]
        return out.flatten(1) if out.shape[2:] == (1, 1) else out


def freeze_norms(net):
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.eval()


def randomize(net):
    """float32 numbers as float64, of a size that keeps gradients alive to the first layer."""
    for name, v in net.state_dict().items():
        if v.dtype == torch.int64:
            v.fill_(3)
        elif name.endswith("running_var"):
            v.copy_(torch.rand(v.shape) + 0.5)
        elif v.dim() > 1:
            v.copy_(torch.randn(v.shape) * (2 / v[0].numel()) ** 0.5)
        else:
            norm = name.endswith(".weight")
            v.copy_(torch.randn(v.shape) * 0.2 + (1 if norm else 0))


def make(spec):
    net = Net(spec)
    randomize(net)
    return net.double()


# ---- the nets ------------------------------------------------------------------------------------

def residual():
    return {"input": {"channels": 3, "height": 13, "width": 11}, "classes": 5, "layers": [
        {"name": "conv1", "type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1, "bias": False},
        {"name": "bn1", "type": "batchnorm2d"},
        {"type": "relu"},
        {"name": "pool", "type": "maxpool2d", "kernel_size": 3, "stride": 2, "padding": 1},
        {"name": "layer1.0", "type": "basic_block", "out_channels": 8},
        {"name": "layer2.0", "type": "basic_block", "out_channels": 12, "stride": 2},
        {"name": "ir", "type": "inverted_residual", "out_channels": 12, "expand_ratio": 2},
        {"name": "act", "type": "hardswish"},
        {"name": "squeeze", "type": "global_avgpool2d"},
        {"name": "excite", "type": "linear", "out_features": 12},
        {"name": "gate", "type": "sigmoid"},
        {"name": "se", "type": "mul", "inputs": ["act", "gate"]},
        {"name": "up", "type": "upsample2d", "size": [7, 6], "mode": "bilinear"},
        {"name": "both", "type": "concat", "inputs": ["up", "layer1.0"]},
        {"name": "mix", "type": "conv2d", "out_channels": 10, "kernel_size": 1},
        {"name": "clip", "type": "relu6"},
        {"name": "drop", "type": "dropout", "p": 0},
        {"name": "shrink", "type": "maxpool2d", "kernel_size": 2, "ceil_mode": True},
        {"name": "flat", "type": "flatten"},
        {"name": "fc", "type": "linear", "out_features": 5}]}


def lenet():
    return {"input": {"channels": 1, "height": 14, "width": 12}, "classes": 7, "layers": [
        {"name": "c1", "type": "conv2d", "out_channels": 6, "kernel_size": 5, "padding": 2},
        {"name": "r1", "type": "relu"},
        {"name": "p1", "type": "avgpool2d", "kernel_size": 3, "stride": 2, "padding": 1},
        {"name": "c2", "type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 2, "dilation": 2},
        {"name": "s2", "type": "sigmoid"},
        {"name": "square", "type": "mul", "inputs": ["s2", "c2"]},
        {"name": "dw", "type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1, "stride": 2,
         "groups": 8},
        {"name": "g", "type": "conv2d", "out_channels": 12, "kernel_size": [1, 3], "groups": 2,
         "padding": [0, 1]},
        {"name": "near", "type": "upsample2d", "size": [5, 7], "mode": "nearest"},
        {"name": "again", "type": "add", "inputs": ["near", "near", "near"]},
        {"name": "blur", "type": "avgpool2d", "kernel_size": 3, "stride": 1, "padding": 1,
         "count_include_pad": False},
        {"name": "even", "type": "adaptive_avgpool2d", "output_size": [3, 2]},
        {"name": "flat", "type": "flatten"},
        {"name": "f1", "type": "linear", "out_features": 20, "bias": False},
        {"name": "r2", "type": "relu"},
        {"name": "f2", "type": "linear", "out_features": 7},
        {"name": "loss", "type": "softmax-cross-entropy", "ignore_index": 6}]}


def small():
    return {"input": {"channels": 3, "height": 8, "width": 8}, "classes": 4, "layers": [
        {"name": "conv1", "type": "conv2d", "out_channels": 6, "kernel_size": 3, "padding": 1, "bias": False},
        {"name": "bn1", "type": "batchnorm2d"},
        {"type": "relu"},
        {"name": "layer1.0", "type": "basic_block", "out_channels": 6},
        {"name": "layer2.0", "type": "basic_block", "out_channels": 8, "stride": 2},
        {"type": "global_avgpool2d"},
        {"name": "fc", "type": "linear", "out_features": 4}]}


def heads(head):
    return {"input": {"channels": 3, "height": 13, "width": 11}, "classes": 4, "layers": [
        {"name": "conv1", "type": "conv2d", "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1,
         "bias": False},
        {"name": "bn1", "type": "batchnorm2d"},
        {"type": "relu"},
        {"name": "layer1.0", "type": "basic_block", "out_channels": 6},
        {"name": "layer2.0", "type": "basic_block", "out_channels": 8, "stride": 2},
        {"name": "layer3.0", "type": "basic_block", "out_channels": 8, "first_dilation": 1, "dilation": 2},
        {"name": "ir", "type": "inverted_residual", "out_channels": 12, "expand_ratio": 2, "dilation": 3},
        {"name": "classifier", "out_channels": "classes", "dropout": 0, **head},
        {"name": "resize", "type": "upsample2d", "size": "input", "mode": "bilinear"},
        {"type": "softmax-cross-entropy", "ignore_index": 255}]}


HEADS = {"fcn": {"type": "fcn"},
         "aspp": {"type": "aspp", "channels": 4, "rates": [2, 7]},
         "psp": {"type": "psp", "channels": 4, "pool_scales": [1, 2, 3]},
         "uper": {"type": "uper", "channels": 4, "pool_scales": [1, 3],
                  "inputs": ["layer1.0", "layer2.0", "ir"]}}


# ---- cases ---------------------------------------------------------------------------------------

def add_case(g, name, op, spec, values, tensors, **groups):
    for kind, state in groups.items():
        tensors.update({f"{kind}.{k}": v.clone() for k, v in state.items()})
    g.case(name, op, values, **tensors)
    g.cases[name + ".spec"] = json.dumps(spec)


def floats(state):
    return {k: v for k, v in state.items() if v.dtype != torch.int64}


def step(g, name, spec, n, frozen=False, smoothing=0.0, weighted=False):
    net = make(spec)
    shape, k = spec["input"], spec["classes"]
    x = torch.randn(n, shape["channels"], shape["height"], shape["width"]).double().requires_grad_()
    label = torch.randint(0, k, (n,))
    if net.ignore == 255:
        label = torch.randint(0, k, (n, shape["height"], shape["width"]))
        label[torch.rand(label.shape) < 0.1] = 255
    elif net.ignore >= 0:
        label[0], label[1:] = net.ignore, label[1:] % net.ignore
    weight = (torch.rand(k) * 2 + 0.1).double() if weighted else None
    before = {key: v.clone() for key, v in floats(net.state_dict()).items()}
    net.train()
    if frozen:
        freeze_norms(net)
    logits = net(x)
    loss = F.cross_entropy(logits, label, weight, ignore_index=net.ignore, label_smoothing=smoothing)
    loss.backward()
    grads = {key: p.grad for key, p in net.named_parameters()}
    after = {key: v for key, v in floats(net.state_dict()).items() if "running" in key}
    tensors = dict(x=x, label=label, logits=logits, loss=loss.reshape(1), dx=x.grad)
    if weighted:
        tensors["weight"] = weight
    add_case(g, name, "step", spec, dict(n=n, frozen=int(frozen), smoothing=smoothing,
             weighted=int(weighted)), tensors, p=before, grad=grads, after=after)
    net.eval()
    g.tensors[f"{name}.eval"] = net(x).detach()
    return net, x


def train(g, name, optimizer, steps, n, lr, lr_min, clip, frozen=False, **options):
    spec = small()
    net = make(spec)
    before = {key: v.clone() for key, v in floats(net.state_dict()).items()}
    x = torch.randn(4, n, 3, 8, 8).double()
    label = torch.randint(0, 4, (4, n))
    opt = optimizer(net.parameters(), lr=lr, **options)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, eta_min=lr_min)
    losses, norms, rates = [], [], []
    net.train()
    if frozen:
        freeze_norms(net)
    for i in range(steps):
        opt.zero_grad()
        loss = F.cross_entropy(net(x[i % 4]), label[i % 4])
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(net.parameters(), clip if clip else 1e30).item())
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
        losses.append(loss.item())
    double = lambda v: torch.tensor(v, dtype=torch.float64)
    print(name, "losses", [round(v, 4) for v in losses], "norms", [round(v, 2) for v in norms])
    add_case(g, name, "train", spec, dict(n=n, steps=steps, lr=lr, lr_min=lr_min, clip=clip,
             frozen=int(frozen), wd=options.get("weight_decay", 0), momentum=options.get("momentum", 0),
             optimizer=["SGD", "Adam", "AdamW"].index(optimizer.__name__)),
             dict(x=x, label=label, losses=double(losses), norms=double(norms), rates=double(rates)),
             p=before, end=floats(net.state_dict()))


SIDES = {"resnet18": 224, "resnet34": 224, "mobilenet_v2": 224, "resnet20-cifar": 32,
         "deeplabv3-mobilenet_v2": 257, "pspnet-mobilenet_v2": 257}


def multiply_adds(net, side):
    """Of one picture, in convolutions and linear layers."""
    total = 0

    def count(m, x, y):
        nonlocal total
        total += y.numel() * m.weight[0].numel()
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.register_forward_hook(count)
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, side, side))
    return total


def write_lists():
    nets = {m: getattr(torchvision.models, m)() for m in ("resnet18", "resnet34", "mobilenet_v2")}
    nets["resnet20-cifar"] = seg.resnet20_cifar()
    nets.update((name, make(21)) for name, make in seg.NETS.items())
    for model, net in nets.items():
        state = net.state_dict()
        print(model, sum(p.numel() for p in net.parameters()), multiply_adds(net, SIDES.get(model, 256)))
        with open(os.path.join(HERE, f"net-{model}.txt"), "w") as f:
            for key, v in state.items():
                f.write(f"{key} [{','.join(map(str, v.shape))}]\n")


def write_all():
    write_lists()
    g = Gold("net-step")
    step(g, "batch", residual(), 3)
    step(g, "frozen", residual(), 2, frozen=True)
    step(g, "smooth", residual(), 4, smoothing=0.1, weighted=True)
    step(g, "lenet", lenet(), 5)
    net, x = step(g, "state", residual(), 2, frozen=True)
    g.write()
    g = Gold("net-heads")
    for name, head in HEADS.items():
        step(g, name, heads(head), 3)
    step(g, "frozen", heads(HEADS["uper"]), 2, frozen=True, smoothing=0.1, weighted=True)
    g.write()
    g = Gold("net-state")
    for key, v in net.state_dict().items():
        g.tensors[key] = v
    g.write()
    g = Gold("net-train")
    train(g, "sgd", torch.optim.SGD, 20, 4, 0.1, 0.001, 1.0, momentum=0.9, weight_decay=0.01)
    train(g, "plain", torch.optim.SGD, 5, 3, 0.05, 0.05, 0, weight_decay=0.1)
    train(g, "adam", torch.optim.Adam, 5, 4, 0.01, 0, 0, weight_decay=0.02)
    train(g, "adamw", torch.optim.AdamW, 5, 4, 0.01, 0.002, 0, weight_decay=0.5, frozen=True)
    g.write()


# ---- reading back what this project writes -------------------------------------------------------

def read(path):
    with open(path, "rb") as f:
        data = f.read()
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    meta = header.pop("__metadata__", {})
    kinds = {"F32": torch.float32, "I64": torch.int64}
    out = {}
    for key, t in header.items():
        a, b = t["data_offsets"]
        raw = bytearray(data[8 + n + a:8 + n + b])
        out[key] = torch.frombuffer(raw, dtype=kinds[t["dtype"]]).reshape(t["shape"])
    return out, meta


def check(model, io):
    state, meta = read(model)
    net = Net(json.loads(meta["spec"]))
    net.load_state_dict(state, strict=True)
    net.double().eval()
    io, _ = read(io)
    off = (net(io["x"].double()) - io["logits"]).abs().max().item()
    print(f"logits off by {off:.3g}")
    return off < 1e-4


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        sys.exit(0 if check(*sys.argv[2:]) else 1)
    write_all()
