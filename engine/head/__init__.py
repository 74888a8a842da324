# SPDX-License-Identifier: GPL-3.0-or-later
"""Parametric head models: one interface, several sources (see `model.py`)."""
