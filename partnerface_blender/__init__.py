# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's heart: rig, parameters, engine link, render engine, viewport and compositor."""
