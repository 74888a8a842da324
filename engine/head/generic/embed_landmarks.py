# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures where MediaPipe's 468 points lie on the generic head, and stores it beside this file.

    python -m engine.head.generic.embed_landmarks

Painted heads of several identities are pictured from several sides; MediaPipe finds its points in
the pictures, rays carry them back to the surface, and the median is made symmetric. Points on the
edges of lids and lips, which may hide each other, are put on the edges themselves. To be run again
whenever the grid of the skin changes.
"""

import sys

import numpy as np

from ...render.camera import Camera
from ...render.mesh import portrait_camera, vertex_normals, view_mesh
from ..model import REGIONS, SKIN_REGIONS, Head
from .build import build_generic_head, generic_body
from .landmarks import FILE_468, lid_margin, lip_line, snap
from .paint import base_colours

# MediaPipe's indices along the edges; upper and lower share their ends
UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)  # left eye, inner to outer corner
LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
UPPER_LINE = (13, 312, 311, 310, 415, 308)  # inner edge of the lips, middle to left corner
LOWER_LINE = (14, 317, 402, 318, 324, 308)
RIGHT_OF = dict(zip(
    (*UPPER_LID, *LOWER_LID, *UPPER_LINE, *LOWER_LINE),
    (133, 173, 157, 158, 159, 160, 161, 246, 33, 133, 155, 154, 153, 145, 144, 163, 7, 33,
     13, 82, 81, 80, 191, 78, 14, 87, 178, 88, 95, 78), strict=True))  # fmt: skip
_YAWS = (0.0, -0.25, 0.25, -0.5, 0.5)
_PITCHES = (-0.15, 0.1)


def detect(mesh_finder: object, picture: np.ndarray) -> np.ndarray | None:
    """The 468 points [468, 2] px that MediaPipe finds in a picture [H, W, 3] uint8, or None."""
    found = mesh_finder.process(picture).multi_face_landmarks
    if not found:
        return None
    points = np.array([(p.x, p.y) for p in found[0].landmark[:468]])
    return points * (picture.shape[1], picture.shape[0])


def face_camera(head: Head, size: int, yaw: float, pitch: float) -> Camera:
    """A portrait camera that is a little closer than one that shows the neck's end."""
    camera = portrait_camera(head.vertices, size, yaw, pitch)
    return Camera(
        size,
        size,
        camera.fx * 1.15,
        camera.fy * 1.15,
        size / 2,
        size * 0.55,
        camera.camera_from_world,
    )


def picture(head: Head, camera: Camera, colours: np.ndarray) -> np.ndarray:
    """The painted head [H, W, 3] uint8, lit softly from the camera and above, before grey."""
    view = view_mesh(head.vertices, head.faces, camera)
    normals = view.interpolate(vertex_normals(head.vertices, head.faces), head.faces)
    towards = -camera.camera_from_world[2, :3] + (0, 0.35, 0)
    light = 0.45 + 0.55 * np.clip(normals @ (towards / np.linalg.norm(towards)), 0, 1)
    seen = view.interpolate(colours, head.faces) * light[..., None]
    return (np.where(view.hit[..., None], seen, 0.6) * 255).clip(0, 255).astype(np.uint8)


def back_project(head: Head, camera: Camera, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Face [468] (-1 = missed), barycentrics [468, 3] and how squarely it is seen [468]."""
    view = view_mesh(head.vertices, head.faces, camera)
    x, y = (
        np.clip(pixels[:, 0].astype(int), 0, camera.width - 1),
        np.clip(pixels[:, 1].astype(int), 0, camera.height - 1),
    )
    face, bary = view.face[y, x], view.bary[y, x]
    normals = vertex_normals(head.vertices, head.faces)
    towards = -camera.camera_from_world[2, :3]
    seen = (np.einsum("nkc,nk->nc", normals[head.faces[face]], bary) @ towards) * (face >= 0)
    return face, bary, seen


def measure(size: int = 448, subjects: int = 4) -> tuple[np.ndarray, int, int]:
    """Median places [468, 3] m on the mean head, pictures with a face found, pictures tried."""
    import mediapipe

    model = build_generic_head()
    random = np.random.default_rng(1)
    colours = base_colours(model.mean)
    places: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    tried = 0
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as finder:
        for subject in range(subjects):
            beta = random.normal(0, 0.8, len(model.identity_names)) * (subject > 0)
            head = model.subject(beta)
            for yaw, pitch in ((y, p) for y in _YAWS for p in _PITCHES):
                tried += 1
                camera = face_camera(head, size, yaw, pitch)
                pixels = detect(finder, picture(head, camera, colours))
                if pixels is None:
                    continue
                face, bary, seen = back_project(head, camera, pixels)
                places.append(np.einsum("nkc,nk->nc", model.mean.vertices[head.faces[face]], bary))
                weights.append(np.clip(seen - 0.25, 0, 1) ** 2)
    return _weighted_median(np.array(places), np.array(weights)), len(places), tried


def _front_skin(head: Head) -> np.ndarray:
    skin = np.isin(
        head.vertex_region, [REGIONS.index(name) for name in SKIN_REGIONS if name != "ear"]
    )
    return head.faces[(skin[head.faces]).all(1)]


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[K, N, 3] and [K, N] → [N, 3]."""
    result = np.empty(values.shape[1:])
    for n in range(values.shape[1]):
        use = weights[:, n] > 0
        assert use.any(), f"point {n} was never seen"
        for c in range(3):
            order = np.argsort(values[use, n, c])
            cumulated = np.cumsum(weights[use, n][order])
            result[n, c] = values[use, n, c][order][np.searchsorted(cumulated, cumulated[-1] / 2)]
    return result


def partners(points: np.ndarray) -> np.ndarray:
    """The mirror partner [N] of every point [N, 3]: a matching that is its own inverse."""
    from scipy.optimize import linear_sum_assignment

    cost = np.linalg.norm(points[:, None] - points[None] * (-1, 1, 1), axis=-1) ** 2
    for left, right in RIGHT_OF.items():
        cost[left], cost[right] = 1.0, 1.0
        cost[left, right] = cost[right, left] = 0.0
    partner = linear_sum_assignment(cost + cost.T)[1]
    assert (partner[partner] == np.arange(len(points))).all()
    return partner


def nearest_on_skin(points: np.ndarray, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """The nearest place on the face's skin: vertices [N, 3] and weights [N, 3]."""
    import trimesh

    skin = _front_skin(head)
    triangles = head.vertices[skin].astype(float)
    centres = triangles.mean(1)
    faces, weights = [], []
    for point in points:
        near = np.argsort(np.linalg.norm(centres - point, axis=1))[:40]
        found = trimesh.triangles.closest_point(triangles[near], np.tile(point, (len(near), 1)))
        best = np.linalg.norm(found - point, axis=1).argmin()
        faces.append(skin[near[best]])
        weights.append(
            trimesh.triangles.points_to_barycentric(triangles[near[best]][None], found[best][None])[
                0
            ]
        )
    return np.array(faces), np.clip(np.array(weights), 0, 1)


def main() -> None:
    """Measure, make symmetric, snap the edges, and write the file."""
    model, body = build_generic_head(), generic_body()
    points, found, tried = measure()

    partner = partners(points)
    points = (points + points[partner] * (-1, 1, 1)) / 2
    vertices, weights = nearest_on_skin(points, model.mean)
    edges = (
        (UPPER_LID, lid_margin(body, 1)), (LOWER_LID, lid_margin(body, -1)),
        (UPPER_LINE, lip_line(body, 1)), (LOWER_LINE, lip_line(body, -1)),
    )  # fmt: skip
    for indices, edge in edges:
        x = np.sort(points[list(indices), 0] * 1e3)
        x[-1] = body.vertices[edge[-1], 0]
        x[0] = body.vertices[edge[0], 0]  # the inner corner of the eye, the middle of the lips
        vertices[list(indices)], weights[list(indices)] = snap(body, edge, x)
    for one, other in enumerate(partner):
        if one != other and points[one, 0] > points[other, 0]:
            vertices[other], weights[other] = body.mirror[vertices[one]], weights[one]
    np.savez_compressed(
        FILE_468, vertices=vertices.astype(np.int32), weights=weights.astype(np.float32)
    )
    print(f"MediaPipe found {found} of {tried} pictures; wrote {FILE_468.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
