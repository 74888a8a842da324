# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m engine COMMAND …`: the engine's one door for people and for Blender."""

import sys

from .cli import main

sys.exit(main())
