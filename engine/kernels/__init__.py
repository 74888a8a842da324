# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels and their torch references (`reference.py`), with the same signatures.

Importing this package sets Warp up: silent on standard output, its compile cache in a folder of
ours. Words used in all kernels: S samples, R rays, N frames of the batch, V vertices, F faces, J
joints; samples are flat and grouped by ray, `ray_start` [R] and `ray_count` [R] say where.
"""

import warp as wp

from ..paths import cache_folder

wp.config.log_level = wp.LOG_ERROR
wp.config.kernel_cache_dir = str(cache_folder() / f"warp-{wp.config.version}")
wp.init()
