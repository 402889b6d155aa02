#!/usr/bin/env python3
"""bench_augment.py PROGRAM CHAIN PAIRS SECONDS WORKERS -- see bench-augment, which
runs it."""
import multiprocessing
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


def start_sluice(program, pipeline, seconds):
    return subprocess.Popen([program, "--batches", seconds, "32", "32", "3", pipeline],
                            stdout=subprocess.PIPE, text=True)


def finish(process):
    rate = float(process.communicate()[0])
    assert process.returncode == 0, "bench_augment failed"
    return rate


def worker(seconds):
    return torchvision_rate(CHAIN, SOURCE, seconds)


CHAIN, SOURCE = make_chain(), images(4096)


def main():
    program, pipeline, pairs, seconds, workers = sys.argv[1:]
    torch.set_num_threads(1)
    pool = multiprocessing.get_context("fork").Pool(int(workers))
    pool.map(worker, [0.2] * int(workers))
    print(f"torchvision {torchvision.__version__}, torch {torch.__version__}; {workers} at a time; "
          f"{pipeline}")
    print("| pair | Sluice, images/s | torchvision, images/s | ratio |\n|---|---|---|---|")
    ratios = []
    for pair in range(int(pairs)):
        running = [start_sluice(program, pipeline, seconds) for _ in range(int(workers))]
        ours = sum(finish(process) for process in running)
        theirs = sum(pool.map(worker, [float(seconds)] * int(workers), 1))
        ratios.append(ours / theirs)
        print(f"| {pair + 1} | {ours:,.0f} | {theirs:,.0f} | {ratios[-1]:.2f} |", flush=True)
    print(f"| median | | | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
