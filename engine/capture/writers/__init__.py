# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures written in the layouts of other programs."""
