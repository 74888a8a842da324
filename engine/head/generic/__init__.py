# SPDX-License-Identifier: GPL-3.0-or-later
"""The generic head: built by our own code, ships with the product, ours."""

from .build import build_generic_head
from .paint import base_colours

__all__ = ["base_colours", "build_generic_head"]
