"""Where and how exactly PyTorch computes."""

from __future__ import annotations

import os

import torch

from wpconvert.errors import UsageError


def choose_device(name: str) -> str:
    """The device's name; `auto` is a GPU where there is one. Raises UsageError when there is no such device."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError("device cuda: PyTorch finds no CUDA device; use cpu")
    return ("cuda" if available else "cpu") if name == "auto" else name


def make_deterministic(seed: int, threads: int) -> None:
    """Seed PyTorch and restrict it to deterministic algorithms on `threads` threads."""
    # cuBLAS is deterministic only with a workspace of fixed size, read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
