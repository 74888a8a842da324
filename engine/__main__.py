# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m engine COMMAND …`: the engine's one door for people and for Blender."""

import gc
import json
import os
import sys

# torch's threads spin while they wait for each other, and so take the cores away from the kernels'
# own threads and from other processes: on two busy cores training is nine times slower for it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded


def start() -> int:
    """Run the command line; where this Python cannot even read it, say so as it would have."""
    if sys.version_info < (3, 11):  # noqa: UP036 - somebody else's Python may be asked to run us
        version = ".".join(map(str, sys.version_info[:3]))
        return refuse(f"The engine needs Python 3.11 or newer and was given {version}.",
                      "Choose another Python.")  # fmt: skip
    try:
        from .cli import main
    except ImportError as error:
        from .errors import explain

        told = explain(error)
        return refuse(told.message, told.hint, told.code)
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    gc.freeze()  # else Python looks through all of torch once more before it leaves, for 0.7 s
    return status


def refuse(message: str, hint: str, code: str = "missing_package") -> int:
    """Print the sentence where whoever started us looks for it; the exit status."""
    print(message, hint, file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
    return 1


if __name__ == "__main__":
    sys.exit(start())
