# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the child: installs the extension, calls one function of a test module, and leaves.

Usage: child.py FILE FUNCTION JSON_ARGUMENTS
"""

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path


def load(file: str, name: str) -> object:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(file: str, function: str, arguments: str) -> None:
    """Install, call, print the result."""
    blender = load(str(Path(__file__).with_name("blender_side.py")), "blender_side")
    if os.environ["PARTNERFACE_TEST_ZIP"]:
        blender.install(os.environ["PARTNERFACE_TEST_ZIP"])
    result = getattr(load(file, "test_module"), function)(*json.loads(arguments))
    print("RESULT " + json.dumps(result))


status = 1
try:
    main(*sys.argv[1:])
    status = 0
except BaseException:
    traceback.print_exc()
finally:
    side = sys.modules.get("blender_side")
    if side is not None:
        side.stop_engine()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # bpy may crash or hang while the interpreter is taken down
