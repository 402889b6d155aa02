#!/usr/bin/env python3
"""bench_augment.py PROGRAM CHAIN PAIRS SECONDS -- see bench-augment, which runs it."""
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import v2

BATCH = 128


def images(count):
    noise = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


def make_chain():
    return T.Compose([
        T.RandomCrop(32, padding=4),
        T.RandomHorizontalFlip(),
        T.RandomRotation(15),
        T.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
        T.RandomPerspective(distortion_scale=0.2, p=0.5),
        T.ToTensor(),
        T.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        T.RandomErasing(p=0.3, scale=(0.02, 0.2), ratio=(0.3, 3.3)),
    ])


def torchvision_rate(chain, source, seconds):
    cutmix = v2.RandomApply([v2.CutMix(num_classes=10)], p=0.7)
    labels = torch.arange(BATCH) % 10
    done, begin = 0, time.thread_time()
    while time.thread_time() - begin < seconds:
        cutmix(torch.stack([chain(source[(done + i) % len(source)])
                            for i in range(BATCH)]), labels)
        done += BATCH
    return done / (time.thread_time() - begin)


def main():
    program, pipeline, pairs, seconds = sys.argv[1:]
    torch.set_num_threads(1)
    chain, source = make_chain(), images(4096)
    torchvision_rate(chain, source, 0.2)
    print(f"torchvision {torchvision.__version__}, torch {torch.__version__}; {pipeline}")
    print("| pair | Sluice, images/s | torchvision, images/s | ratio |\n|---|---|---|---|")
    ratios = []
    for pair in range(int(pairs)):
        ours = float(subprocess.run(
            [program, "--batches", seconds, "32", "32", "3", pipeline],
            check=True, capture_output=True, text=True).stdout)
        theirs = torchvision_rate(chain, source, float(seconds))
        ratios.append(ours / theirs)
        print(f"| {pair + 1} | {ours:,.0f} | {theirs:,.0f} | {ratios[-1]:.2f} |", flush=True)
    print(f"| median | | | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
