# SPDX-License-Identifier: GPL-3.0-or-later
"""The generic head: built by our own code, ships with the product, ours."""
