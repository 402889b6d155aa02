"""Types for editors and checkers. tests/loader/python_module.py holds names and choices
against the library's table of options."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal

__version__: str

class Error(Exception):
    code: str
    def __init__(self, message: str, code: str) -> None: ...

def options() -> dict[str, str]: ...

class Batch:
    epoch: int
    number: int
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    @property
    def images(self) -> Any: ...
    @property
    def columns(self) -> Any: ...
    @property
    def labels(self) -> Any: ...
    @property
    def ids(self) -> Any: ...
    @property
    def partners(self) -> Any: ...
    @property
    def shares(self) -> Any: ...
    def torch(self) -> tuple[Any, ...]: ...

class Loader:
    path: str
    samples: int
    batch_size: int
    shape: tuple[int, int, int]
    dtype: str
    layout: str
    label: str | None
    labels: list[str]
    classes: list[str]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    pipeline: str | None
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        batches: int | None = None,
        threads: int | None = None,
        seed: int | None = None,
        order: Literal["random", "sequential", "quasi_random"] | None = None,
        block: int | None = None,
        open_blocks: int | None = None,
        drop_last: bool | None = None,
        rank: int | None = None,
        world: int | None = None,
        io: Literal["auto", "resident", "uring", "direct", "pread"] | None = None,
        queue_depth: int | None = None,
        memory_budget: int | str | None = None,
        memory_limit: int | str | None = None,
        on_error: Literal["raise", "skip", "substitute"] | None = None,
        subset: Sequence[int] | Any | None = None,
        subset_file: str | os.PathLike[str] | None = None,
        folds: int | None = None,
        fold: int | None = None,
        fold_test: bool | None = None,
        stratified: bool | None = None,
        fold_seed: int | None = None,
        balanced: bool | None = None,
        class_weights: Sequence[float] | Any | None = None,
        sample_weights: Sequence[float] | Any | None = None,
        epoch_samples: int | None = None,
        class_field: str | None = None,
        image_field: str | None = None,
        crop: Literal["none", "random", "center"] | None = None,
        size: int | None = None,
        scale: Sequence[float] | None = None,
        ratio: Sequence[float] | None = None,
        share: float | None = None,
        jpeg: Literal["auto", "libjpeg", "plain", "avx2", "avx512"] | None = None,
        channels: int | None = None,
        augment: str | Sequence[str] | None = None,
        dtype: Literal["f32", "bf16", "f16", "u8"] | Any | None = None,
        layout: Literal["nhwc", "nchw"] | None = None,
    ) -> None: ...
    @property
    def epoch(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def __enter__(self) -> Loader: ...
    def __exit__(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def seek(self, epoch: int, batch: int = 0) -> None: ...
    def state(self) -> str: ...
    def restore(self, state: str) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def damage(self) -> dict[int, str]: ...
