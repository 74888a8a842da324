# SPDX-License-Identifier: GPL-3.0-or-later
"""How the avatar's filmed colours get through a scene's view transform."""
