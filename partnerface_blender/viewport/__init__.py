# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar in the 3D view."""
