# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels and their torch references (`reference.py`), with the same signatures.

Importing this package sets Warp up: silent on standard output, its compile cache in a folder of
ours. Words used in all kernels: S samples, R rays, N frames of the batch, V vertices, F faces, J
joints; samples are flat and grouped by ray, `ray_start` [R] and `ray_count` [R] say where.
"""

import os
import sys

import warp as wp

from ..paths import cache_folder

wp.config.log_level = wp.LOG_ERROR
wp.config.enable_backward = False  # gradients are kernels of our own; less to compile
wp.config.kernel_cache_dir = str(cache_folder() / f"warp-{wp.config.version}")


def _start_warp() -> None:
    """Start Warp without its lines about a missing CUDA driver, written below Python's streams.

    `doctor` says what there is; Warp's own errors are exceptions and still come through.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_start_warp()
