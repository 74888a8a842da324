# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig: its bones and shape keys, and the parameters they say."""
