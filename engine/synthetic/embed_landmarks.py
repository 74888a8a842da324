# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures where MediaPipe's 468 points lie on the generic head, on pictures of synthetic people.

    python -m engine.synthetic.embed_landmarks

Each person is pictured from several sides with skin, hair and brows. MediaPipe finds its points in
the pictures; the rays through them are brought back to the resting head, where they meet in one
place for each point. That place, carried over to the mean head and made symmetric, is kept as the
nearest point of the skin and an offset from it: MediaPipe's points need not lie on the surface.
Points on the edges of lids and lips, which may hide each other, are put on the edges themselves,
and no point of one lip on the other. To be run again whenever the shape of the generic head or the
grid of its skin changes.
"""

import sys

import numpy as np
import trimesh
from scipy.optimize import linear_sum_assignment

from ..files import write_atomic
from ..head.generic import build_generic_head
from ..head.generic.build import generic_body
from ..head.generic.half import Body
from ..head.generic.landmarks import FILE_468, lid_margin, lip_line, snap
from ..head.model import JOINTS, NECK, REGIONS, SKIN_REGIONS, Head, HeadModel
from ..head.motion import Motion
from ..render.camera import Camera
from .command import frame_camera
from .person import Person, make_person
from .picture import Studio

# MediaPipe's indices along the edges; upper and lower share their ends
UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)  # left eye, inner to outer corner
LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
UPPER_LINE = (13, 312, 311, 310, 415, 308)  # inner edge of the lips, middle to left corner
LOWER_LINE = (14, 317, 402, 318, 324, 308)
RIGHT_OF = dict(zip(
    (*UPPER_LID, *LOWER_LID, *UPPER_LINE, *LOWER_LINE),
    (133, 173, 157, 158, 159, 160, 161, 246, 33, 133, 155, 154, 153, 145, 144, 163, 7, 33,
     13, 82, 81, 80, 191, 78, 14, 87, 178, 88, 95, 78), strict=True))  # fmt: skip
UPPER_LIP = (
    185, 40, 39, 37, 0, 267, 269, 270, 409, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    183, 42, 41, 38, 12, 268, 271, 272, 407, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
LOWER_LIP = (
    146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307,
    96, 89, 179, 86, 15, 316, 403, 319, 325, 95, 88, 178, 87, 14, 317, 402, 318, 324,
)  # fmt: skip
VIEWS = tuple((pitch, yaw) for yaw in (0.0, -0.35, 0.35) for pitch in (-0.12, 0.12))
POINTS = 468
SLACK = 0.0015  # m, from which on a ray's miss counts linearly, not as its square


def rest_rays(
    camera: Camera, rest_from_world: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Origins and unit directions [N, 3], resting head, of the rays through the pixels [N, 2]."""
    local = np.stack([(pixels[:, 0] - camera.cx) / camera.fx,
                      (pixels[:, 1] - camera.cy) / camera.fy, np.ones(len(pixels))], 1)  # fmt: skip
    rest_from_camera = rest_from_world @ np.linalg.inv(camera.camera_from_world)
    directions = local @ rest_from_camera[:3, :3].T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.broadcast_to(rest_from_camera[:3, 3], directions.shape), directions


def meet(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Where rays [K, N, 3] of K pictures come nearest to each other: [N, 3], robustly."""
    across = np.eye(3) - directions[..., :, None] * directions[..., None, :]  # [K, N, 3, 3]
    weight = np.ones(directions.shape[:2])
    for _ in range(8):
        matrix = np.einsum("kn,knab->nab", weight, across)
        right = np.einsum("kn,knab,knb->na", weight, across, origins)
        place = np.linalg.solve(matrix, right[..., None])[..., 0]
        miss = np.linalg.norm(np.einsum("knab,knb->kna", across, place - origins), axis=-1)
        weight = SLACK / np.maximum(miss, SLACK)
    return place


def places_on(person: Person, finder: object, size: int) -> np.ndarray | None:
    """The 468 places [468, 3] m on a person's resting head, or None if too few faces are found."""
    count = len(VIEWS)
    theta = np.zeros((count, len(JOINTS), 3), np.float32)
    theta[:, NECK, :2] = VIEWS
    calm = np.zeros((count, len(person.head.expression_names)), np.float32)
    motion = Motion(calm, theta, np.zeros((count, 3), np.float32))
    camera = frame_camera(person, motion, size)
    studio = Studio(person, camera)
    rays = []
    for psi, turn, shift in zip(motion.psi, motion.theta, motion.translation, strict=True):
        found = finder.process(studio.frame(psi, turn, shift).image).multi_face_landmarks
        if found:
            pixels = np.array([(p.x, p.y) for p in found[0].landmark[:POINTS]]) * size
            posed_from_rest = person.pose(psi, turn, shift).transforms[NECK]
            rest_from_world = np.linalg.inv(np.concatenate([posed_from_rest, [[0, 0, 0, 1]]]))
            rays.append(rest_rays(camera, rest_from_world, pixels))
    if len(rays) < count / 2:
        return None
    return meet(*(np.stack(part) for part in zip(*rays, strict=True)))


def measure(model: HeadModel, people: int, size: int) -> np.ndarray:
    """Median places [468, 3] m on the mean head, beside its surface as far as they were found."""
    import mediapipe

    body = generic_body()
    kept = []
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as finder:
        for seed in range(people):
            person = make_person(1000 + seed, model, glasses="no")
            places = places_on(person, finder, size)
            print(f"person {seed + 1} of {people}: {places is not None}", file=sys.stderr)
            if places is None:
                continue
            vertices, weights = nearest_on_skin(places, person.head, body)
            own, mean = (
                np.einsum("nkc,nk->nc", head.vertices[vertices], weights)
                for head in (person.head, model.mean)
            )
            kept.append(mean + places - own)
    return np.median(kept, axis=0)


def partners(points: np.ndarray) -> np.ndarray:
    """The mirror partner [N] of every point [N, 3]: a matching that is its own inverse."""
    cost = np.linalg.norm(points[:, None] - points[None] * (-1, 1, 1), axis=-1) ** 2
    for left, right in RIGHT_OF.items():
        cost[left], cost[right] = 1.0, 1.0
        cost[left, right] = cost[right, left] = 0.0
    partner = linear_sum_assignment(cost + cost.T)[1]
    assert (partner[partner] == np.arange(len(points))).all()
    return partner


def nearest_on_skin(points: np.ndarray, head: Head, body: Body) -> tuple[np.ndarray, np.ndarray]:
    """The nearest place on the face's skin: vertices [N, 3] and weights [N, 3].

    Args:
        points: [N, 3] m, MediaPipe's.
        head: the head that they lie on.
        body: the generic head, of the same vertices.
    """
    regions = [REGIONS.index(name) for name in SKIN_REGIONS if name != "ear"]
    skin = head.faces[np.isin(head.vertex_region, regions)[head.faces].all(1)]
    triangles = head.vertices[skin].astype(float)
    centres = triangles.mean(1)
    red = body.tag("lip_red", 9.0) < 2.5
    side = (red * np.sign(body.tag("lip")))[skin].sum(1)  # + on the upper lip, - on the lower
    wrong = {point: side < 0 for point in UPPER_LIP} | {point: side > 0 for point in LOWER_LIP}
    faces, weights = [], []
    for index, point in enumerate(points):
        far = np.linalg.norm(centres - point, axis=1) + wrong.get(index, 0.0)
        near = np.argsort(far)[:40]
        found = trimesh.triangles.closest_point(triangles[near], np.tile(point, (len(near), 1)))
        best = np.linalg.norm(found - point, axis=1).argmin()
        place = trimesh.triangles.points_to_barycentric(
            triangles[near[best]][None], found[best][None]
        )
        faces.append(skin[near[best]])
        weights.append(place[0])
    return np.array(faces), np.clip(np.array(weights), 0, 1)


def embed(points: np.ndarray, head: Head, body: Body) -> dict[str, np.ndarray]:
    """Symmetric vertices, weights [468, 3] and offsets [468, 3] m for the places [468, 3] m."""
    partner = partners(points)
    points = (points + points[partner] * (-1, 1, 1)) / 2
    vertices, weights = nearest_on_skin(points, head, body)
    weights = weights / weights.sum(1, keepdims=True)
    offset = points - np.einsum("nkc,nk->nc", head.vertices[vertices], weights)
    edges = (
        (UPPER_LID, lid_margin(body, 1)), (LOWER_LID, lid_margin(body, -1)),
        (UPPER_LINE, lip_line(body, 1)), (LOWER_LINE, lip_line(body, -1)),
    )  # fmt: skip
    for indices, edge in edges:
        chosen = list(indices)
        x = np.sort(points[chosen, 0] * 1e3)
        x[-1] = body.vertices[edge[-1], 0]
        x[0] = body.vertices[edge[0], 0]  # the inner corner of the eye, the middle of the lips
        vertices[chosen], weights[chosen] = snap(body, edge, x)
        offset[chosen] = 0
        corner = chosen[-1]  # MediaPipe's need not be where the slit ends
        offset[corner] = points[corner] - weights[corner] @ head.vertices[vertices[corner]]
    for one, other in enumerate(partner):
        if one != other and points[one, 0] > points[other, 0]:
            vertices[other], weights[other] = body.mirror[vertices[one]], weights[one]
            offset[other] = offset[one] * (-1, 1, 1)
    offset[partner == np.arange(len(points)), 0] = 0
    return {
        "vertices": vertices.astype(np.int32),
        "weights": weights.astype(np.float32),
        "offset": offset.astype(np.float32),
    }


def main(people: int = 8, size: int = 320) -> None:
    """Measure, make symmetric, put the edges' points on the edges, and write the file."""
    model = build_generic_head()
    embedding = embed(measure(model, people, size), model.mean, generic_body())

    def write(path: object) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, **embedding)

    write_atomic(FILE_468, write)
    away = np.linalg.norm(embedding["offset"], axis=1) * 1e3
    print(f"wrote {FILE_468.name}; {away.mean():.2f} mm off the skin in the mean", file=sys.stderr)


if __name__ == "__main__":
    main()
