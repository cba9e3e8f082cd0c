#!/usr/bin/python3
"""Networks as `edgetrain export` writes them, against ONNX's own checker and OpenCV's dnn module.

Every spec of configs/ gets random weights and statistics of batch norm. `edgetrain grad` computes
the logits of a batch; the ONNX file goes through the checker with full shape inference, must be the
very bytes that ONNX's own library would write, and is run by OpenCV: the logits must be ours to
LIMIT of the largest. Each spec is tried as it is with batch norm folded, and with another, odd size
of input, a batch of three and batch norm kept. A few networks made for this add the layers that no
spec has, in every form.

    make check-onnx                        (Debian: python3-onnx, python3-opencv)
    /usr/bin/python3 tests/peers/onnx_opencv.py [--edgetrain PROGRAM] [--quick] [-v] [SPEC...]

Exit code 1 when something differs, 77 when a module is missing. --quick leaves out what is large.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import cv2
    import numpy
    import onnx
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper
    import onnx.shape_inference
except ImportError as e:
    print("skipped:", e, file=sys.stderr)
    sys.exit(77)

sys.dont_write_bytecode = True
import tensors  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIMIT = 1e-4
QUICK = 1e6  # parameters of the largest network that --quick looks at


# ---- networks ------------------------------------------------------------------------------------

def without_dropout(o):
    """`edgetrain grad` takes a step of training."""
    if isinstance(o, list):
        return [without_dropout(v) for v in o]
    if not isinstance(o, dict):
        return o
    o = {key: without_dropout(v) for key, v in o.items()}
    if o.get("type") == "dropout":
        o["p"] = 0
    elif o.get("type") in ("fcn", "aspp", "psp", "uper"):
        o["dropout"] = 0
    return o


def layers_of(text):
    """[type name key=value ...] a line, inputs as in=a,b."""
    layers = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        kind, name, *rest = line.split()
        layer = {"type": kind}
        if name != "-":
            layer["name"] = name
        for item in rest:
            key, value = item.split("=")
            if key == "in":
                layer["inputs"] = value.split(",")
            else:
                layer[key] = json.loads(value) if value[0] in "0123456789[tf" else value
        layers.append(layer)
    return layers


def made_up():
    """Layer forms that the specs of configs/ do not have."""
    conv = "conv2d c out_channels=8 kernel_size=3 padding=1 bias=false\nbatchnorm2d n\nrelu r\n"
    end = "\nglobal_avgpool2d last\nlinear fc out_features=5"
    texts = {
        "dilated, grouped": "conv2d c out_channels=8 kernel_size=[3,5] stride=[2,1] padding=[2,3] "
                            "dilation=[2,1]\nbatchnorm2d n eps=0.001\nhardswish a\n"
                            "conv2d g out_channels=12 kernel_size=3 groups=4\nsigmoid s" + end,
        "lone batch norm": "batchnorm2d first\n" + conv + "batchnorm2d again\n"
                           "conv2d d out_channels=8 kernel_size=1 in=again\n"
                           "batchnorm2d twice in=d\nadd s in=twice,d" + end,
        "pools that fit": conv + "maxpool2d p kernel_size=3 stride=2 padding=1\n"
                          "avgpool2d q kernel_size=3 stride=2 padding=1" + end,
        "ceil max": conv + "maxpool2d p kernel_size=3 stride=2 ceil_mode=true" + end,
        "ceil max padded": conv + "maxpool2d p kernel_size=2 stride=3 padding=1 ceil_mode=true"
                           + end,
        "average without padding": conv + "avgpool2d q kernel_size=3 stride=2 padding=1 "
                                   "count_include_pad=false" + end,
        "ceil average": conv + "avgpool2d q kernel_size=[3,2] stride=2 padding=1 ceil_mode=true"
                        + end,
        "ceil average without padding": conv + "avgpool2d q kernel_size=3 stride=2 padding=1 "
                                        "ceil_mode=true count_include_pad=false" + end,
        "adaptive": conv + "adaptive_avgpool2d p output_size=[3,5]\nflatten f\n"
                    "linear fc out_features=5",
        "adaptive that divides": conv + "adaptive_avgpool2d p output_size=[5,4]\nflatten f\n"
                                 "linear l out_features=7 bias=false\nbatchnorm2d m\nrelu6 a\n"
                                 "dropout d\nlinear fc out_features=5",
        "gate": conv + "global_avgpool2d gap\nconv2d z out_channels=8 kernel_size=1\nsigmoid s\n"
                "mul m in=r,s" + end,
        "gate by linear layers": conv + "global_avgpool2d gap\nlinear down out_features=3\n"
                                 "relu a\nlinear up out_features=8\nsigmoid s\nmul m in=r,s\n"
                                 "add p in=m,r,c\nmul q in=p,c" + end,
        "concat": conv + "maxpool2d p kernel_size=2 in=r\navgpool2d q kernel_size=2 in=r\n"
                  "concat j in=p,q,p" + end,
        "nearest": conv + "upsample2d u scale_factor=2\nconv2d e out_channels=5 kernel_size=3",
        "nearest to a size": conv + "upsample2d u size=[31,27]\n"
                             "conv2d e out_channels=5 kernel_size=1",
        "bilinear": conv + "upsample2d u scale_factor=2 mode=bilinear\n"
                    "conv2d e out_channels=5 kernel_size=1",
        "bilinear to a size": conv + "upsample2d u size=[33,17] mode=bilinear\n"
                              "conv2d e out_channels=5 kernel_size=1",
        "bilinear of one pixel": conv + "global_avgpool2d pool\n"
                                 "upsample2d u size=[9,7] mode=bilinear\n"
                                 "conv2d e out_channels=5 kernel_size=1",
        "convolution at the end": conv + "global_avgpool2d pool\n"
                                  "conv2d e out_channels=5 kernel_size=1\nbatchnorm2d last\n"
                                  "dropout d",
        "both forms at the end": conv + "global_avgpool2d pool\nlinear a out_features=5\n"
                                 "conv2d b out_channels=5 kernel_size=1 in=pool\nadd s in=a,b",
        "segmentation": conv + "conv2d e out_channels=5 kernel_size=1\n"
                        "upsample2d logits size=[20,24] mode=bilinear",
    }
    for name, text in texts.items():
        yield name, {"name": name, "classes": 5,
                     "input": {"channels": 3, "height": 20, "width": 24,
                               "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},
                     "layers": layers_of(text)}


def weights_like(shapes, seed):
    """Random weights, batch norm as after training."""
    r = numpy.random.default_rng(seed)
    out = {}
    for name, shape in shapes.items():
        stem = name.rsplit(".", 1)[0]
        if len(shape) > 1:
            fan = numpy.prod(shape[1:])
            out[name] = r.normal(0, (2 / fan) ** 0.5, shape)
        elif name.endswith(".weight"):
            out[name] = r.normal(1, 0.2, shape)
            out[stem + ".running_mean"] = r.normal(0, 0.3, shape)
            out[stem + ".running_var"] = r.uniform(0.3, 2, shape)
        else:
            out[name] = r.normal(0, 0.2, shape)
    return {name: v.astype("<f4") for name, v in out.items()}


# ---- one network --------------------------------------------------------------------------------

class Case:
    def __init__(self, args, folder, name, spec):
        self.args, self.dir, self.name = args, folder, name
        self.spec = without_dropout(spec)
        self.file = os.path.join(folder, "net.json")

    def run(self, *words):
        p = subprocess.run([self.args.edgetrain, *words], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, universal_newlines=True)
        if p.returncode:
            raise RuntimeError(p.stderr.strip())
        return p.stdout

    def parameters(self):
        words = self.run("plan", self.file, "--batch-size", "1", "--bn", "frozen").split()
        return int(words[words.index("parameters") + 1].rstrip(","))

    def path(self, name):
        return os.path.join(self.dir, name)

    def grad(self, x, pixels, *more):
        target = numpy.zeros((len(x),) + pixels, "int64")
        tensors.write(self.path("batch"), {"input": x, "target": target})
        self.run("grad", self.file, self.path("batch"), "--out", self.path("grad"), "--bn",
                 "frozen", "-q", *more)
        return tensors.read(self.path("grad"))[0]

    def logits(self, x, *more):
        """One label a picture, or one a pixel: the message says which."""
        for _ in range(2):
            try:
                return self.grad(x, self.pixels, *more)
            except RuntimeError as e:
                if self.pixels or "target" not in str(e):
                    raise
                shape = str(e).split("expected shape [", 1)[1].split("]")[0].split(",")
                self.pixels = tuple(int(v) for v in shape[1:])
        raise RuntimeError("no batch fits")

    def compare(self, height, width, batch, fold, clip=False, softmax=False, normalize=False):
        spec = dict(self.spec, train={})
        spec["input"] = dict(spec["input"], height=height, width=width)
        self.pixels = ()
        with open(self.file, "w") as f:
            json.dump(spec, f)
        if self.args.quick and self.parameters() > QUICK:
            return None
        channels = spec["input"]["channels"]
        r = numpy.random.default_rng(1)
        x = r.normal(0, 1, (batch, channels, height, width)).astype("<f4")
        given = x
        if normalize:
            given = r.integers(0, 256, x.shape).astype("<f4")
            mean, std = (numpy.broadcast_to(numpy.float32(spec["input"].get(k, d)), channels)
                         .reshape(1, -1, 1, 1) for k, d in (("mean", 0), ("std", 1)))
            x = ((given / numpy.float32(255) - mean) / std).astype("<f4")
        start = self.logits(x[:1])
        shapes = {k: v.shape for k, v in start.items() if k not in ("loss", "logits")}
        tensors.write(self.path("weights"), weights_like(shapes, 2))
        want = self.logits(x, "--weights", self.path("weights"))["logits"]
        if softmax:
            want = numpy.exp(want - want.max(1, keepdims=True))
            want /= want.sum(1, keepdims=True)
        self.run("export", self.file, self.path("net.onnx"), "--weights", self.path("weights"),
                 "-q", *[option for option, on in (("--no-fold", not fold), ("--clip", clip),
                                             ("--softmax", softmax), ("--normalize", normalize))
                   if on])
        self.check(want.shape, "probabilities" if softmax else "logits", fold)
        net = cv2.dnn.readNetFromONNX(self.readable())
        net.setInput(given)
        got = net.forward()
        if got.shape != want.shape:
            raise RuntimeError("OpenCV makes %s, expected %s" % (got.shape, want.shape))
        return numpy.abs(got - want).max() / numpy.abs(want).max()

    def readable(self):
        """OpenCV 4.6 wants the limits of Clip as it had them before opset 11."""
        model = onnx.load(self.path("net.onnx"))
        limits = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Clip":
                for i, key in (2, "max"), (1, "min"):
                    value = float(limits[node.input.pop(i)])
                    node.attribute.append(onnx.helper.make_attribute(key, value))
        onnx.save(model, self.path("readable.onnx"))
        return self.path("readable.onnx")

    def check(self, shape, output, fold):
        with open(self.path("net.onnx"), "rb") as f:
            data = f.read()
        model = onnx.load_model_from_string(data)
        if model.SerializeToString() != data:
            raise RuntimeError("ONNX's library would write other bytes")
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        end = inferred.graph.output[0]
        dims = [d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim]
        if end.name != output or dims != ["N"] + list(shape[1:]):
            raise RuntimeError("output %s %s" % (end.name, dims))
        known = {v.name for v in inferred.graph.value_info} | {output}
        for node in model.graph.node:
            if node.output[0] not in known:
                raise RuntimeError("the shape of %s is not known" % node.output[0])
        norms = [n.name for n in model.graph.node if n.op_type == "BatchNormalization"]
        makers = {n.output[0]: n for n in model.graph.node}
        for name in norms if fold else []:
            node = next(n for n in model.graph.node if n.name == name)
            maker = makers.get(node.input[0])
            readers = sum(node.input[0] in n.input for n in model.graph.node)
            if maker and maker.op_type in ("Conv", "Gemm") and readers == 1:
                raise RuntimeError("%s could have been folded" % name)


def variants(name, spec, made):
    h, w = spec["input"]["height"], spec["input"]["width"]
    # OpenCV 4.6 multiplies by a gate of one picture only.
    many = 1 if "gate" in name else 3
    yield dict(height=h, width=w, batch=1, fold=True)
    yield dict(height=h - h // 4 | 1, width=w - w // 8 | 1, batch=many, fold=False, clip=True)
    if made:
        yield dict(height=h, width=w, batch=many, fold=True, softmax=True, normalize=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--edgetrain", default=os.path.join(TOP, "build", "edgetrain"))
    p.add_argument("--quick", action="store_true")
    p.add_argument("-v", "--verbose", action="store_true")
    p.add_argument("specs", nargs="*")
    args = p.parse_args()
    cases = list(made_up()) if not args.specs else []
    for file in args.specs or sorted(glob.glob(os.path.join(TOP, "configs", "*.json"))):
        with open(file) as f:
            cases.append((os.path.basename(file), json.load(f)))
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, spec) in enumerate(cases):
            made = not name.endswith(".json")
            for v in variants(name, spec, made):
                what = "%s, %s" % (name, " ".join("%s=%s" % pair for pair in v.items()))
                try:
                    off = Case(args, folder, name, spec).compare(**v)
                except (RuntimeError, cv2.error, onnx.checker.ValidationError,
                        onnx.shape_inference.InferenceError) as e:
                    print("  FAIL %s: %s" % (what, str(e).strip()))
                    failed += 1
                    continue
                if off is None:
                    skipped += 1
                elif not off <= LIMIT:
                    print("  FAIL %s: off by %.2g of the largest logit" % (what, off))
                    failed += 1
                else:
                    passed += 1
                    if args.verbose:
                        print("  %-60s %.2g" % (what, off))
    print("onnx: %d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
