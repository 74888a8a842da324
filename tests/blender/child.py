# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the child: installs the extension, calls functions of test modules, and leaves.

Usage: child.py FILE FUNCTION JSON_ARGUMENTS, for one call, whose result is printed; or child.py
alone: calls come from standard input, one JSON object a line, each is made in a file of its own, as
Blender starts with it, and its result goes into the file that it names.
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


def start() -> object:
    """Install the extension; the module of what the tests do in Blender."""
    blender = load(str(Path(__file__).with_name("blender_side.py")), "blender_side")
    if os.environ["PARTNERFACE_TEST_ZIP"]:
        blender.install(os.environ["PARTNERFACE_TEST_ZIP"])
    return blender


def call(file: str, function: str, arguments: list) -> object:
    """What the function of a test module returns."""
    return getattr(load(file, "test_module"), function)(*arguments)


def serve() -> None:
    """Make the calls that come from standard input, until it is closed."""
    blender = start()
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        os.chdir(asked["folder"])
        try:
            if number:
                blender.start_anew()
            told = {"value": call(asked["file"], asked["function"], asked["arguments"])}
        except BaseException:
            told = {"error": traceback.format_exc()}
        draft = Path(asked["result"] + ".part")
        draft.write_text(json.dumps(told))
        draft.replace(asked["result"])


def main(arguments: list[str]) -> None:
    """One call, or those from standard input."""
    if not arguments:
        serve()
        return
    start()
    print("RESULT " + json.dumps(call(arguments[0], arguments[1], json.loads(arguments[2]))))


status = 1
try:
    main(sys.argv[1:])
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
