# SPDX-License-Identifier: GPL-3.0-or-later
"""The shader that puts a picture of an avatar among the objects of a viewport.

It writes colour and depth. POST_VIEW draws into the overlays' buffer, which comes after the scene's
view transform and encodes sRGB by itself: what is written is linear light of the display, in every
shading mode.
"""

from dataclasses import dataclass

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..blender_versions import write_depth
from ..colour import view_transforms
from .pictures import Picture

STOPS = float(np.log2(view_transforms.BRIGHTEST / view_transforms.FOOT + 1))

VERTEX = """
void main()
{
  at = pos;
  gl_Position = clip_from_quad * vec4(pos, 0.0, 1.0);
}
"""

FRAGMENT = f"""
vec3 shown(vec3 light)
{{
  /* the nodes of the table lie evenly in stops above its foot */
  vec3 stop = log2(max(light, 0.0) / {view_transforms.FOOT:.6f} + 1.0) / {STOPS:.6f};
  float nodes = {view_transforms.NODES}.0;
  vec3 srgb = texture(table, (stop * (nodes - 1.0) + 0.5) / nodes).rgb;
  srgb = pow(clamp(srgb, 0.0, 1.0), vec3(tone.y));
  vec3 dark = srgb / 12.92;
  vec3 bright = pow((srgb + 0.055) / 1.055, vec3(2.4));
  return mix(bright, dark, vec3(lessThan(srgb, vec3(0.04045))));
}}

void main()
{{
  vec4 seen = texture(colour, at);
  if (seen.a < 0.004) {{
    discard;
  }}
  float z = texture(depth, at).r * reach.x + reach.y;
  float ndc = (projection.y - projection.x * z) / (projection.w - projection.z * z);
  if (ndc < -1.0) {{
    discard;
  }}
  gl_FragDepth = clamp(ndc * 0.5 + 0.5, 0.0, 1.0);
  vec3 rgb = seen.rgb;
  if (tone.z > 0.5) {{
    rgb = shown(rgb / seen.a * tone.x) * seen.a;
  }}
  result = vec4(rgb, seen.a);
}}
"""


@dataclass(frozen=True)
class Tone:
    """How the video's colours come to the display."""

    table: object = None  # GPUTexture [N, N, N]; None: unchanged
    exposure: float = 0.0  # stops, before the table
    gamma: float = 1.0  # after it


@dataclass
class Textures:
    """A picture on the graphics card."""

    picture: Picture
    colour: object
    depth: object


_kept: dict[str, object] = {}  # shader, batch and an empty table, made at the first draw


def upload(picture: Picture) -> Textures:
    """The picture as textures."""
    return Textures(
        picture, texture_of(picture.colour, "RGBA16F"), texture_of(picture.depth, "R32F")
    )


def texture_of(array: np.ndarray, kind: str) -> object:
    """A texture of [H, W] or [H, W, 4] float32, its first row at the bottom."""
    height, width = array.shape[:2]
    data = gpu.types.Buffer("FLOAT", array.size, array.reshape(-1))
    texture = gpu.types.GPUTexture((width, height), format=kind, data=data)
    return texture


def table_of(shown: np.ndarray) -> object:
    """A 3-D texture of a view transform [N, N, N, 3] uint16 that is indexed by red, green, blue."""
    nodes = shown.shape[0]
    colours = np.ones((nodes, nodes, nodes, 4), np.float32)
    colours[..., :3] = shown.transpose(2, 1, 0, 3) / 65535.0  # red runs fastest in a texture
    data = gpu.types.Buffer("FLOAT", colours.size, colours.reshape(-1))
    return gpu.types.GPUTexture((nodes, nodes, nodes), format="RGBA16F", data=data)


def draw(
    textures: Textures,
    clip_from_quad: np.ndarray,
    projection: np.ndarray,
    reach: tuple[float, float],
    tone: Tone,
    tested: bool,
) -> None:
    """Draw a picture's quad.

    Args:
        textures: from `upload`.
        clip_from_quad: [4, 4].
        projection: [4, 4], of the viewport now.
        reach: factor and summand that make distances along the view of the picture's depths.
        tone: colour.
        tested: whether the depth buffer holds the scene.
    """
    shader, batch = _shader(), _kept["batch"]
    gpu.state.depth_test_set("LESS_EQUAL" if tested else "ALWAYS")
    gpu.state.depth_mask_set(True)
    gpu.state.blend_set("ALPHA_PREMULT")
    try:
        shader.bind()
        shader.uniform_float("clip_from_quad", _matrix(clip_from_quad))
        p = projection
        shader.uniform_float("projection", (p[2, 2], p[2, 3], p[3, 2], p[3, 3]))
        shader.uniform_float("reach", reach)
        shader.uniform_float(
            "tone", (2.0**tone.exposure, 1 / max(tone.gamma, 1e-3), float(bool(tone.table)))
        )
        shader.uniform_sampler("colour", textures.colour)
        shader.uniform_sampler("depth", textures.depth)
        shader.uniform_sampler("table", tone.table or _kept["empty"])
        batch.draw(shader)
    finally:
        gpu.state.blend_set("NONE")
        gpu.state.depth_mask_set(False)
        gpu.state.depth_test_set("NONE")


def _shader() -> object:
    """The shader, compiled at the first draw."""
    if "shader" not in _kept:
        between = gpu.types.GPUStageInterfaceInfo("partnerface_quad")
        between.smooth("VEC2", "at")
        info = gpu.types.GPUShaderCreateInfo()
        info.vertex_in(0, "VEC2", "pos")
        info.vertex_out(between)
        info.push_constant("MAT4", "clip_from_quad")
        info.push_constant("VEC4", "projection")
        info.push_constant("VEC3", "tone")
        info.push_constant("VEC2", "reach")
        info.sampler(0, "FLOAT_2D", "colour")
        info.sampler(1, "FLOAT_2D", "depth")
        info.sampler(2, "FLOAT_3D", "table")
        info.fragment_out(0, "VEC4", "result")
        write_depth(info)
        info.vertex_source(VERTEX)
        info.fragment_source(FRAGMENT)
        shader = gpu.shader.create_from_info(info)
        corners = {"pos": [(0, 0), (1, 0), (0, 1), (1, 1)]}
        _kept["batch"] = batch_for_shader(shader, "TRI_STRIP", corners)
        _kept["empty"] = table_of(np.zeros((2, 2, 2, 3), np.uint16))
        _kept["shader"] = shader
    return _kept["shader"]


def _matrix(array: np.ndarray) -> object:
    from mathutils import Matrix

    return Matrix(array.tolist())


def forget() -> None:
    """Let go of everything on the graphics card."""
    _kept.clear()
