# SPDX-License-Identifier: GPL-3.0-or-later
"""Training an avatar, and measuring it."""
