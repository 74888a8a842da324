# SPDX-License-Identifier: GPL-3.0-or-later
"""From a density field to a coloured triangle mesh (marching cubes).

A point belongs to the surface's inside where `THICKNESS` of the material around it absorbs half of
the light, or where half is absorbed on the way to it from each of the six sides. The first finds
thin and dense things, the second what is soft, as the depth of a rendered picture does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mcubes
import numpy as np
import torch
from scipy import ndimage, sparse
from torch import Tensor

from ..errors import InputError
from ..jobs import Job
from ..render.mesh import vertex_normals

THICKNESS = 0.0025  # m
LEVEL = 0.5  # absorbed
DENSEST = 400.0  # 1/m; more is as good as solid
SMOOTHING = 0.0015  # m, standard deviation: finer grain of the field is noise
CHUNK = 1 << 16  # points per call of the field
SLAB = 1 << 19  # nodes of the grid that are looked at together
# Where a vertex's colour is gathered, from outside inwards along its normal.
COLOUR_DEPTHS = np.linspace(-0.002, 0.006, 6)  # m

Field = Callable[[Tensor], tuple[Tensor, Tensor]]  # points [S, 3] m → sigma [S] 1/m, rgb [S, 3]
# Points [S, 3] m → [S] bool, whether to ask the field there, and [S] 1/m, the least density there.
Domain = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Surface:
    """A triangle mesh with a colour for each vertex."""

    vertices: np.ndarray  # [V, 3] float32 m
    faces: np.ndarray  # [F, 3] int32, counter-clockwise from outside
    colours: np.ndarray  # [V, 3] float32 in 0…1, display-referred sRGB


def extract_surface(
    field: Field,
    domain: Domain,
    low: np.ndarray,
    high: np.ndarray,
    resolution: int,
    job: Job,
    device: torch.device | str = "cpu",
) -> Surface:
    """The largest connected piece of a field's surface.

    Args:
        field: density and colour at points.
        domain: where the field means anything, and what is known without it.
        low: [3] m, lower corner of the box that holds the surface.
        high: [3] m, upper corner.
        resolution: cells along the box's longest side.
        job: told how far the work is.
        device: where the points are put.

    Raises:
        InputError: the field has no surface in the box, or the resolution is too small.
        Cancelled: somebody asked for it.
    """
    if resolution < 8:
        raise InputError(
            f"A grid of {resolution} cells shows nothing.", "Use --resolution 64 or more."
        )
    cell = float((high - low).max()) / resolution  # m
    shape = np.ceil((high - low) / cell).astype(int) + 1
    sigma = density_grid(field, domain, low, cell, shape, job, device)
    values = np.pad(absorbed(sigma, cell), 1)  # closed where the box cuts it
    vertices, faces = mcubes.marching_cubes(values, LEVEL)
    if not len(faces):
        raise InputError("The avatar has no surface to export.", "Train it for more steps.")
    vertices, faces = largest_piece(vertices, faces.astype(np.int64))
    vertices = (low + (vertices - 1) * cell).astype(np.float32)
    colours = surface_colours(field, vertices, faces, job, device)
    return Surface(vertices, faces.astype(np.int32), colours)


def density_grid(
    field: Field,
    domain: Domain,
    low: np.ndarray,
    cell: float,
    shape: np.ndarray,
    job: Job,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """The density at the nodes low + cell · index: [X, Y, Z] float32, 1/m."""
    count = int(np.prod(shape))
    sigma = np.zeros(count, np.float32)
    for start in range(0, count, SLAB):
        part = slice(start, min(start + SLAB, count))
        nodes = np.stack(np.unravel_index(np.arange(part.start, part.stop), shape), 1)
        points = torch.as_tensor(low + nodes * cell, dtype=torch.float32, device=device)
        asked, least = domain(points)
        found, _ = _ask(field, points[asked], job)
        sigma[part] = least.cpu().numpy()
        asked = start + asked.cpu().numpy().nonzero()[0]
        sigma[asked] = np.maximum(sigma[asked], found)
        job.update("density", part.stop, count)
    return sigma.reshape(shape)


def absorbed(sigma: np.ndarray, cell: float) -> np.ndarray:
    """What says where inside is: [X, Y, Z] in 0…1, LEVEL on the surface.

    Args:
        sigma: [X, Y, Z] 1/m.
        cell: m between nodes.
    """
    sigma = ndimage.gaussian_filter(np.minimum(sigma, DENSEST), SMOOTHING / cell, mode="constant")
    optical = sigma * THICKNESS
    least = np.full_like(sigma, np.inf)  # optical depth from the side that sees the point best
    for axis in range(3):
        for grid, target in ((sigma, least), (np.flip(sigma, axis), np.flip(least, axis))):
            way = (np.cumsum(grid, axis) - 0.5 * grid) * cell
            np.minimum(target, way, out=target)
    return 1 - np.exp(-np.maximum(optical, least))


def largest_piece(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The connected piece with the most faces, its vertices renumbered."""
    count = len(vertices)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(edges), bool), edges.T), (count, count))
    _, piece = sparse.csgraph.connected_components(graph, directed=False)
    faces = faces[piece[faces[:, 0]] == np.bincount(piece[faces[:, 0]]).argmax()]
    used, numbers = np.unique(faces, return_inverse=True)
    return vertices[used], numbers.reshape(-1, 3)


def surface_colours(
    field: Field, vertices: np.ndarray, faces: np.ndarray, job: Job, device: torch.device | str
) -> np.ndarray:
    """What a ray straight onto each vertex would see: [V, 3] in 0…1."""
    normals = vertex_normals(vertices, faces)
    step = float(COLOUR_DEPTHS[1] - COLOUR_DEPTHS[0])
    points = vertices[:, None] - COLOUR_DEPTHS[:, None] * normals[:, None]  # [V, D, 3]
    shape = points.shape[:2]
    points = torch.as_tensor(points.reshape(-1, 3), dtype=torch.float32, device=device)
    sigma, rgb = _ask(field, points, job, "colour")
    alpha = 1 - np.exp(-sigma.reshape(shape) * step)  # [V, D]
    passed = np.cumprod(np.concatenate([np.ones((len(alpha), 1)), 1 - alpha[:, :-1]], 1), 1)
    weights = alpha * passed + 1e-6  # where nothing absorbs, the plain mean
    colours = (rgb.reshape(*shape, 3) * weights[..., None]).sum(1)
    colours /= weights.sum(1, keepdims=True)
    return np.clip(colours, 0, 1).astype(np.float32)


@torch.no_grad()
def _ask(
    field: Field, points: Tensor, job: Job, message: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """The field at points [S, 3] m, chunk by chunk: sigma [S] and rgb [S, 3].

    The job is told under `message`, or asked alone whether to go on.
    """
    sigma, rgb = np.empty(len(points), np.float32), np.empty((len(points), 3), np.float32)
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        sigma[part], rgb[part] = (tensor.float().cpu().numpy() for tensor in field(points[part]))
        if message:
            job.update(message, min(start + CHUNK, len(points)), len(points))
        else:
            job.check()
    return sigma, rgb
