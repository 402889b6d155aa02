"""Batches of images from a .sluice file, as arrays without a copy.

    import sluice

    loader = sluice.Loader("train.sluice", batch_size=512, seed=1, layout="nchw",
                           augment="flip,translate:pad=4,normalize")
    for epoch in range(24):
        for images, labels in loader:      # numpy arrays; memoryviews without numpy
            ...
        # or: for batch in loader: images, labels = batch.torch()

Each `for` is the next epoch. Options: help(sluice.Loader), sluice.options().
"""

from ._batch import Batch
from ._library import Error, lib, options
from ._loader import Loader

__all__ = ["Batch", "Error", "Loader", "options"]
__version__ = lib.version().decode()
