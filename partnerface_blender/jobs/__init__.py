# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work of the engine, started and watched from Blender."""
