#!/usr/bin/env python3
"""bench_train.py MODEL BATCH STEPS THREADS STEM WIDTH PRECISION -- see bench-train, which runs it.

Images a second of PyTorch in training MODEL: the median of STEPS steps after two that
warm up. bf16 autocast with f32 weights, or f32, channels_last, batch and labels in memory."""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Unit(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, cin, cout, kernel=3, stride=1, pad=1):
        super().__init__(nn.Conv2d(cin, cout, kernel, stride, pad, bias=False),
                         nn.BatchNorm2d(cout), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.branch = nn.Sequential(Unit(c, c), Unit(c, c))

    def forward(self, x):
        return x + self.branch(x)


class Scale(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return x * self.scale


def resnet9(width):
    a, b, c = (round(n * width) for n in (64, 128, 256))
    return nn.Sequential(Unit(3, a), Unit(a, b, 5, 2, 2), Residual(b), Unit(b, c),
                         nn.MaxPool2d(2), Residual(c), Unit(c, b, pad=0),
                         nn.AdaptiveMaxPool2d(1), nn.Flatten(),
                         nn.Linear(b, 10, bias=False), Scale(0.2))


def airbench94(width):
    class Norm(nn.BatchNorm2d):
        def __init__(self, c):
            super().__init__(c, eps=1e-12, momentum=0.4)
            self.weight.requires_grad = False

    layers = [nn.Conv2d(3, 24, 2), nn.GELU()]
    cin = 24
    for c in (round(n * width) for n in (64, 256, 256)):
        layers += [nn.Conv2d(cin, c, 3, 1, 1, bias=False), nn.MaxPool2d(2), Norm(c), nn.GELU(),
                   nn.Conv2d(c, c, 3, 1, 1, bias=False), Norm(c), nn.GELU()]
        cin = c
    layers[0].weight.requires_grad = False
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(),
                         nn.Linear(cin, 10, bias=False), Scale(1 / 9))


class Block(nn.Module):
    """Two 3x3 convolutions or a bottleneck; squeeze and excitation; left out at random."""

    def __init__(self, cin, c, stride, bottleneck, se, drop):
        super().__init__()
        cout = 4 * c if bottleneck else c
        if bottleneck:
            layers = [Unit(cin, c, 1, 1, 0), Unit(c, c, 3, stride, 1),
                      nn.Conv2d(c, cout, 1, bias=False)]
        else:
            layers = [Unit(cin, c, 3, stride, 1), nn.Conv2d(c, c, 3, 1, 1, bias=False)]
        self.branch = nn.Sequential(*layers, nn.BatchNorm2d(cout))
        self.factors = self.shortcut = None
        self.drop = drop
        if se:
            hidden = max(1, cout // se)
            self.factors = nn.Sequential(nn.AdaptiveAvgPool2d(1),
                                         nn.Conv2d(cout, hidden, 1, bias=False), nn.ReLU(),
                                         nn.Conv2d(hidden, cout, 1, bias=False), nn.Sigmoid())
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False),
                                          nn.BatchNorm2d(cout))

    def forward(self, x):
        straight = self.shortcut(x) if self.shortcut else x
        if self.drop and torch.rand(()) < self.drop:
            return F.relu(straight)
        y = self.branch(x)
        return F.relu(straight + (y * self.factors(y) if self.factors else y))


class Stage(nn.Module):
    """Blocks, and around them a projection where long skips are asked for."""

    def __init__(self, blocks, around):
        super().__init__()
        self.blocks, self.around = nn.Sequential(*blocks), around

    def forward(self, x):
        y = self.blocks(x)
        return y + self.around(x) if self.around else y


def resnet(counts, channels, stem, bottleneck=False, se=0, drop=0.0, dropout=0.0, long_skips=False):
    imagenet = stem == "imagenet"
    layers = [Unit(3, channels, 7, 2, 3) if imagenet else Unit(3, channels)]
    if imagenet:
        layers.append(nn.MaxPool2d(3, 2, 1))
    cin, made, blocks = channels, 0, sum(counts)
    for stage, count in enumerate(counts):
        c, first, stage_in, stage_blocks = channels << stage, 2 if stage else 1, cin, []
        for i in range(count):
            stage_blocks.append(Block(cin, c, 1 if i else first, bottleneck, se,
                                      drop * made / (blocks - 1)))
            cin = 4 * c if bottleneck else c
            made += 1
        around = None
        if long_skips and stage:
            around = nn.Sequential(nn.Conv2d(stage_in, cin, 1, first, bias=False),
                                   nn.BatchNorm2d(cin))
        layers.append(Stage(stage_blocks, around))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout),
                         nn.Linear(cin, 10))


def make(name, stem, width):
    def channels(n):
        return round(n * width)

    small = [2, 2, 2, 2]
    return {
        "resnet9": lambda: resnet9(width),
        "airbench94": lambda: airbench94(width),
        "se_resnet": lambda: resnet(small, channels(32), stem or "cifar", se=16, dropout=0.3),
        "stochastic_depth": lambda: resnet(small, channels(32), stem or "cifar", drop=0.2,
                                           dropout=0.3),
        "resnet_medium": lambda: resnet([3, 3, 3, 3], channels(24), stem or "cifar",
                                        long_skips=True),
        "resnet18": lambda: resnet(small, channels(64), stem or "imagenet"),
        "resnet34": lambda: resnet([3, 4, 6, 3], channels(64), stem or "imagenet"),
        "resnet50": lambda: resnet([3, 4, 6, 3], channels(64), stem or "imagenet", True),
    }[name]()


def main():
    name, batch, steps, threads, stem, width, precision = sys.argv[1:8]
    batch = int(batch)
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    net = make(name, stem, float(width)).to(memory_format=torch.channels_last).train()
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, weight_decay=5e-4)
    x = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10
    taken = []
    for _ in range(int(steps) + 2):
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision != "f32"):
            logits = net(x)
        F.cross_entropy(logits.float(), labels, label_smoothing=0.1).backward()
        optimizer.step()
        taken.append(time.perf_counter() - begin)
    print(f"{batch / statistics.median(taken[2:]):.1f} {sum(p.numel() for p in net.parameters())}")


main()
