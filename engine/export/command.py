# SPDX-License-Identifier: GPL-3.0-or-later
"""The `export` command: an avatar's canonical surface as a mesh file."""

import time

from ..avatar.model import Avatar
from ..config import Export
from ..devices import resolve_device
from ..jobs import Job
from .domain import canonical_domain, occupied_box
from .mesh_files import encoder, write_mesh
from .surface import extract_surface


def run(config: Export, job: Job) -> dict:
    """Write the avatar's surface; how many vertices and faces it has, and how long it took.

    Raises:
        InputError: the file's suffix is unknown, or the avatar has no surface.
        AvatarError: the avatar cannot be read.
        SpaceError: the file could not be written.
    """
    started = time.monotonic()
    encoder(config.out)  # a wrong name is said at once
    avatar = Avatar.load(config.avatar, resolve_device(config.device))
    low, high = occupied_box(avatar)
    surface = extract_surface(
        avatar.canonical_density_colour,
        canonical_domain(avatar),
        low,
        high,
        config.resolution,
        job,
        avatar.device,
    )
    write_mesh(config.out, surface)
    return {
        "vertices": len(surface.vertices),
        "faces": len(surface.faces),
        "seconds": time.monotonic() - started,
        "path": str(config.out),
    }
