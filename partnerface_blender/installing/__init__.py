# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's environment: brought on a click, checked, repaired, removed.

`setup_job` is Blender's side of it; everything else is standard library alone and runs in a process
of its own, with whatever Python Blender has.
"""
