# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py is made of: standard library only, readable by Pythons that are too old."""
