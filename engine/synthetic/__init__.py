# SPDX-License-Identifier: GPL-3.0-or-later
"""A procedural person with exact ground truth."""
