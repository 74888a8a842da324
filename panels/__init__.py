# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels: they draw, and nothing else."""
