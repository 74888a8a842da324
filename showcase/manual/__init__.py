# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios in Blender's window that make the manual's pictures; one module for each topic."""
