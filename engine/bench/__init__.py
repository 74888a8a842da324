# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the engine is: figures as ratios of things measured in one run on one machine."""
