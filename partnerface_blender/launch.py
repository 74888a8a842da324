# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for our own processes that need neither Blender nor the engine's environment.

    python launch.py MODULE ARGUMENTS…

runs `main(ARGUMENTS)` of a module below this folder, for example `jobs.runner`, and leaves with the
status it returns. The extension may lie in a folder of any name, so its package is named here.
"""

import importlib
import sys
import types
from pathlib import Path


def main(module: str, arguments: list[str]) -> int:
    """Run a module's `main`; its exit status."""
    root = types.ModuleType("partnerface")  # its own __init__ is for Blender
    root.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["partnerface"] = root
    return importlib.import_module(f"partnerface.partnerface_blender.{module}").main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
