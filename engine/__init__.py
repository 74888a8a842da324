# SPDX-License-Identifier: GPL-3.0-or-later
"""The PartNerFace engine: capture, training, rendering and export, in a process of its own."""

__version__ = "0.1.0"
