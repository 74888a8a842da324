# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine's own door does, before torch
