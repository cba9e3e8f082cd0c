"""Segmentation networks in PyTorch, with the parameter names that specs of this project have.

FCN's and DeepLabV3's heads are torchvision's own. PSPNet's and UPerNet's are written here after the
definition of mmsegmentation's PSPHead and UPerHead (dropout is taken elementwise). Bodies are
torchvision's resnet18 and mobilenet_v2 at output stride 8: where a stage halved the size, its first
convolution no longer does, and all behind it are dilated instead, so that each still sees the pixels
that it saw at stride 32.
"""
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead


def resize(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


# ---- heads ---------------------------------------------------------------------------------------

def fcn_head(c, out, channels=None, dropout=0.1):
    head = FCNHead(c, out)
    if channels is not None:
        head[0] = nn.Conv2d(c, channels, 3, padding=1, bias=False)
        head[1], head[4] = nn.BatchNorm2d(channels), nn.Conv2d(channels, out, 1)
    head[3].p = dropout
    return head


def aspp_head(c, out, channels=256, rates=(12, 24, 36), dropout=0.5):
    head = DeepLabHead(c, out)
    head[0] = ASPP(c, rates, channels)
    head[1] = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    head[2], head[4] = nn.BatchNorm2d(channels), nn.Conv2d(channels, out, 1)
    head[0].project[3].p = dropout
    return head


class ConvModule(nn.Module):
    def __init__(self, c, out, kernel):
        super().__init__()
        self.conv = nn.Conv2d(c, out, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Pyramid(nn.Module):
    """What PSPHead and UPerHead share."""
    def __init__(self, c, out, channels, pool_scales, dropout):
        super().__init__()
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(s), ConvModule(c, channels, 1)) for s in pool_scales)
        self.bottleneck = ConvModule(c + len(pool_scales) * channels, channels, 3)
        self.dropout = nn.Dropout(dropout)
        self.conv_seg = nn.Conv2d(channels, out, 1)

    def pool(self, x):
        pooled = [resize(m(x), x.shape[2:]) for m in self.psp_modules]
        return self.bottleneck(torch.cat([x] + pooled, 1))


class PSPHead(Pyramid):
    def __init__(self, c, out, channels=512, pool_scales=(1, 2, 3, 6), dropout=0.1):
        super().__init__(c, out, channels, pool_scales, dropout)

    def forward(self, x):
        return self.conv_seg(self.dropout(self.pool(x)))


class UPerHead(Pyramid):
    def __init__(self, c, out, channels=512, pool_scales=(1, 2, 3, 6), dropout=0.1):
        super().__init__(c[-1], out, channels, pool_scales, dropout)
        self.lateral_convs = nn.ModuleList(ConvModule(v, channels, 1) for v in c[:-1])
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3) for _ in c[:-1])
        self.fpn_bottleneck = ConvModule(len(c) * channels, channels, 3)

    def forward(self, *inputs):
        laterals = [m(x) for m, x in zip(self.lateral_convs, inputs)] + [self.pool(inputs[-1])]
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + resize(laterals[i], laterals[i - 1].shape[2:])
        outs = [m(x) for m, x in zip(self.fpn_convs, laterals)] + [laterals[-1]]
        outs = [resize(x, outs[0].shape[2:]) for x in outs]
        return self.conv_seg(self.dropout(self.fpn_bottleneck(torch.cat(outs, 1))))


# ---- bodies --------------------------------------------------------------------------------------

def dilate(conv, dilation):
    conv.stride = (1, 1)
    if conv.kernel_size != (1, 1):
        conv.dilation = conv.padding = (dilation, dilation)


def resnet18_body():
    net = torchvision.models.resnet18()
    for stage, before, after in (net.layer3, 1, 2), (net.layer4, 2, 4):
        for m in stage.modules():
            if isinstance(m, nn.Conv2d):
                dilate(m, after)
        dilate(stage[0].conv1, before)
    return net


def mobilenet_v2_body():
    features = torchvision.models.mobilenet_v2().features[:18]
    for i in range(7, 18):
        for m in features[i].modules():
            if isinstance(m, nn.Conv2d):
                dilate(m, 1 if i == 7 else 2 if i < 15 else 4)
    return features


class OnResNet(nn.Module):
    def __init__(self, name, head):
        super().__init__()
        net = resnet18_body()
        for part in "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4":
            self.add_module(part, getattr(net, part))
        self.add_module(name, head)
        self.last, self.several = name, isinstance(head, UPerHead)

    def forward(self, x):
        size = x.shape[2:]
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        levels = []
        for stage in self.layer1, self.layer2, self.layer3, self.layer4:
            x = stage(x)
            levels.append(x)
        return resize(getattr(self, self.last)(*(levels if self.several else levels[-1:])), size)


class OnMobileNet(nn.Module):
    def __init__(self, name, head):
        super().__init__()
        self.features = mobilenet_v2_body()
        self.add_module(name, head)
        self.last = name

    def forward(self, x):
        return resize(getattr(self, self.last)(self.features(x)), x.shape[2:])


def resnet20_cifar():
    """Of He et al., section 4.2, with convolutions where shapes differ, in torchvision's names."""
    net = torchvision.models.ResNet(BasicBlock, [3, 3, 3, 1], 10)
    net.conv1, net.inplanes = nn.Conv2d(3, 16, 3, padding=1, bias=False), 16
    net.bn1, net.maxpool = nn.BatchNorm2d(16), nn.Identity()
    for i, c in enumerate((16, 32, 64)):
        setattr(net, f"layer{i + 1}", net._make_layer(BasicBlock, c, 3, stride=1 if i == 0 else 2))
    net.layer4, net.fc = nn.Identity(), nn.Linear(64, 10)
    return net


NETS = {
    "fcn-resnet18": lambda k: OnResNet("classifier", fcn_head(512, k)),
    "deeplabv3-resnet18": lambda k: OnResNet("classifier", aspp_head(512, k)),
    "pspnet-resnet18": lambda k: OnResNet("decode_head", PSPHead(512, k, 128)),
    "upernet-resnet18": lambda k: OnResNet("decode_head", UPerHead([64, 128, 256, 512], k, 128)),
    "deeplabv3-mobilenet_v2": lambda k: OnMobileNet("classifier", aspp_head(320, k)),
    "pspnet-mobilenet_v2": lambda k: OnMobileNet("decode_head", PSPHead(320, k, 128)),
}
