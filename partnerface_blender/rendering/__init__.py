# SPDX-License-Identifier: GPL-3.0-or-later
"""PartNerFace as a render engine: cameras and pictures."""
