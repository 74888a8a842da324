# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars among ordinary objects: their own scene, and the merge by depth."""
