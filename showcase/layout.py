# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies where in the demo folder. Paths are relative to it.

`result.json` is an object with
    schema_version, title, seconds, peak_memory_mb, machine {…},
    stages     {name: {title, seconds, peak_memory_mb, result {…}}} in the order they ran; a result
               is what the command prints with --json (capture or synth, train, eval, export, …)
    global_net {train {…}, eval {…}}, or absent
    baselines  {nearest_frame {…}, textured_mesh {…}}, each with eval's keys, or absent
"""

from pathlib import Path

CAPTURE = Path("capture")  # a capture folder
AVATAR = Path("avatar")  # what train wrote
AVATAR_FILE = AVATAR / "avatar.safetensors"
CURVES = AVATAR / "curves.json"
GLOBAL_AVATAR = Path("global")  # the one global net, trained the same way
GLOBAL_AVATAR_FILE = GLOBAL_AVATAR / "avatar.safetensors"

EVALUATION = Path("evaluation")  # what eval --out wrote: truth/, avatar/, error/, parts/, figures
GLOBAL_EVALUATION = Path("evaluation_global")
FRAME_FIGURES = "frames.json"  # within an evaluation

BLENDER = Path("blender")
COMPOSITE_FRAMES = BLENDER / "frames"  # PNG, any names in order
COMPOSITE_VIDEO = BLENDER / "composite.mp4"  # H.264; the report makes it from the frames if need be
SCENE = Path("demo.blend")

MESH = Path("mesh")  # the same surface in both formats
MESH_PLY = MESH / "head.ply"
MESH_GLB = MESH / "head.glb"

BASELINES = Path("baselines.json")  # what `python -m showcase.baselines CAPTURE --out` wrote …
BASELINE_PICTURES = Path("baselines")  # … and nearest_frame/ and textured_mesh/ beside it
RESULT = Path("result.json")
REPORT = Path("report.html")
