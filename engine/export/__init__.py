# SPDX-License-Identifier: GPL-3.0-or-later
"""From the canonical field to mesh files."""
