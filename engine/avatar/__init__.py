# SPDX-License-Identifier: GPL-3.0-or-later
"""The learned avatar: deformation, field, and the file that holds them."""
