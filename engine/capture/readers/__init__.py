# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets of the field become capture folders: one module a format, behind one interface."""
