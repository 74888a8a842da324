# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion from elsewhere, laid on a rig: other captures, Live Link Face, ARKit tables."""
