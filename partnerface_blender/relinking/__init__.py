# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatar files that were moved, and scenes that were: found again."""
