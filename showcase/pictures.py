# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures and films as data URIs, so that a page needs nothing beside it."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import trimesh
from PIL import Image

from engine.render.mesh import portrait_camera, shade

FILM_SECONDS = 2  # of the scene, however many of its frames were rendered
VIEWS = (("from the front", 0.0), ("three quarters", -0.8), ("from the side", -np.pi / 2))
VIEW_SIZE = 400  # px
JPEG_QUALITY = 88


def file_uri(path: Path) -> str:
    """A PNG or MP4 file as a data URI, unchanged."""
    kind = {".png": "image/png", ".mp4": "video/mp4"}[path.suffix]
    return data_uri(kind, path.read_bytes())


def data_uri(kind: str, data: bytes) -> str:
    """Bytes of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def photo_uri(picture: Image.Image, width: int) -> str:
    """A picture, made no wider than `width` px, as a JPEG data URI."""
    picture = flat(picture)
    if picture.width > width:
        picture = picture.resize(
            (width, round(width * picture.height / picture.width)), Image.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return data_uri("image/jpeg", buffer.getvalue())


def flat(picture: Image.Image) -> Image.Image:
    """A picture without alpha, on white."""
    if picture.mode not in ("RGBA", "LA"):
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def write_film(path: Path, frames: Sequence[Path]) -> None:
    """Make an H.264 film that every browser plays from picture files of one size."""
    first = flat(Image.open(frames[0]))
    size = first.width // 2 * 2, first.height // 2 * 2  # H.264 halves its colour planes
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part.mp4")
    writer = imageio_ffmpeg.write_frames(
        str(draft),
        size,
        fps=max(len(frames) / FILM_SECONDS, 1),
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        output_params=["-crf", "18", "-movflags", "+faststart"],
        ffmpeg_log_level="error",
    )
    writer.send(None)
    for frame in frames:
        picture = flat(Image.open(frame)).crop((0, 0, *size))
        writer.send(np.ascontiguousarray(picture).tobytes())
    writer.close()
    draft.replace(path)


def mesh_views(path: Path) -> list[tuple[str, str, str]]:
    """A mesh file from three sides: (what side, in its colours, in clay) as data URIs."""
    mesh = trimesh.load(path, force="mesh", process=False)
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    colours = np.asarray(mesh.visual.vertex_colors[:, :3], np.float32) / 255
    views = []
    for name, yaw in VIEWS:
        camera = portrait_camera(vertices, VIEW_SIZE, yaw)
        coloured, clay = shade(vertices, faces, camera, colours), shade(vertices, faces, camera)
        uris = (photo_uri(Image.fromarray(picture), VIEW_SIZE) for picture in (coloured, clay))
        views.append((name, *uris))
    return views
