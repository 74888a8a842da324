# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels and their torch references, with the same signatures.

Importing this package sets Warp up: quiet, with its compile cache in a folder of ours.
"""

import warp as wp

from ..paths import cache_folder

wp.config.quiet = True
wp.config.kernel_cache_dir = str(cache_folder() / f"warp-{wp.config.version}")
wp.init()
