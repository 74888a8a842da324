# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture's report: how well the clip was followed, and what to film again."""
