# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how MediaPipe's 468 points slide over synthetic people's faces as these turn.

    python -m engine.synthetic.measure_slide

Each person is pictured from many sides. What a found point lies off its place on the head is, in
the picture, the person's own offset plus the slide, both seen from that side; they are told apart
by least squares over all pictures, and the slide is made symmetric. To be run again after
`embed_landmarks`, whose places the slides belong to.
"""

import sys

import numpy as np
import torch

from ..capture.landmark_rows import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from ..capture.pose import WORLD_AXES
from ..capture.slide import EYE_DISTANCE, FILE, TERMS, terms_of, toward_camera
from ..files import write_atomic
from ..head.generic import build_generic_head
from ..head.model import NECK
from ..head.motion import Motion
from ..head.skinning import HeadTensors, posed_vertices
from .command import frame_camera
from .embed_landmarks import POINTS, partners
from .motion import whole_motion
from .person import Person, make_person
from .picture import Studio

PITCHES, YAWS = (-0.36, -0.18, 0.0, 0.18, 0.36), (-0.7, -0.45, -0.2, 0.0, 0.2, 0.45, 0.7)  # rad
FIRST_SEED = 2000  # people that no test and no measurement uses
OWN_PULL, SLIDE_PULL = 0.05, 0.5  # px² per mm², in so many pictures: what keeps depth at rest
FAR_OFF = 2.0  # px, from which on a point's miss counts linearly
MIRRORED = np.array([-1.0, 1.0, 1.0, 1.0, -1.0])  # what the terms become in a mirror


def turned_motion(names: tuple[str, ...], seed: int) -> Motion:
    """Every view once, each with a face from ordinary talk."""
    views = [(pitch, yaw) for pitch in PITCHES for yaw in YAWS]
    talk = whole_motion(names, 4 * len(views), 0, seed)[::4]
    theta = talk.theta.copy()
    theta[:, 0] = 0
    theta[:, NECK] = 0
    theta[:, NECK, :2] = views
    return Motion(0.5 * talk.psi, theta, np.zeros((len(views), 3), np.float32))


def sightings(
    person: Person, finder: object, size: int, seed: int
) -> tuple[np.ndarray, ...] | None:
    """What was found of a person in K pictures.

    Returns:
        Misses [K, 468, 2] px, pixels by the head's axes [K, 468, 2, 3] px/mm, terms [K, 5]; None
        if the face was found in too few pictures.
    """
    motion = turned_motion(person.head.expression_names, seed)
    camera = frame_camera(person, motion, size)
    studio = Studio(person, camera)
    points, tensors = person.head.landmarks468, HeadTensors.of(person.head)
    misses, slopes, terms = [], [], []
    for psi, turn, shift in zip(motion.psi, motion.theta, motion.translation, strict=True):
        found = finder.process(studio.frame(psi, turn, shift).image).multi_face_landmarks
        if not found:
            continue
        pixels = np.array([(p.x, p.y) for p in found[0].landmark[:POINTS]]) * size
        rotation = person.pose(psi, turn, shift).transforms[NECK][:, :3]
        state = (torch.as_tensor(part[None]) for part in (psi, turn, shift))
        posed = posed_vertices(tensors, *state)[0].numpy()
        places = points.on(posed) + points.offset @ rotation.T
        seen, depth = camera.project(places)
        by_camera = np.zeros((POINTS, 2, 3))
        by_camera[:, 0, 0] = by_camera[:, 1, 1] = camera.fx / depth
        by_camera[:, :, 2] = -(seen - (camera.cx, camera.cy)) / depth[:, None]
        slopes.append(by_camera @ WORLD_AXES @ rotation / 1000)
        misses.append(pixels - seen)
        across = (seen.mean(0) - (camera.cx, camera.cy)) / camera.fx
        turned, at = torch.as_tensor(rotation).double(), torch.as_tensor(across)
        terms.append(terms_of(toward_camera(turned[None], at[None]))[0].numpy())
    if len(misses) < len(motion) / 2:
        return None
    return np.stack(misses), np.stack(slopes), np.stack(terms)


def solve_slide(people: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """The slide [468, 5, 3] mm that all people share, beside their own offsets."""
    unknowns = 3 * (len(people) + TERMS)
    slide = np.zeros((POINTS, TERMS, 3))
    pull = np.r_[np.full(3 * len(people), OWN_PULL), np.full(3 * TERMS, SLIDE_PULL)]
    for point in range(POINTS):
        rows, values = [], []
        for who, (misses, slopes, terms) in enumerate(people):
            block = np.zeros((len(misses), 2, unknowns))
            block[:, :, 3 * who : 3 * who + 3] = slopes[:, point]
            block[:, :, 3 * len(people) :] = (
                terms[:, None, :, None] * slopes[:, point][:, :, None]
            ).reshape(len(misses), 2, -1)
            rows.append(block.reshape(-1, unknowns))
            values.append(misses[:, point].reshape(-1))
        matrix, value = np.concatenate(rows), np.concatenate(values)
        weight = np.ones(len(value))
        for _ in range(6):
            normal = (matrix * weight[:, None]).T @ matrix + np.diag(pull)
            found = np.linalg.solve(normal, (matrix * weight[:, None]).T @ value)
            weight = FAR_OFF / np.maximum(np.abs(value - matrix @ found), FAR_OFF)
        slide[point] = found[3 * len(people) :].reshape(TERMS, 3)
    return slide


def main(people: int = 6, size: int = 224) -> None:
    """Measure, make symmetric, and write the file."""
    import mediapipe

    model = build_generic_head()
    kept = []
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as finder:
        for seed in range(FIRST_SEED, FIRST_SEED + people):
            person = make_person(seed, model, glasses="no")
            found = sightings(person, finder, size, seed)
            count = 0 if found is None else len(found[0])
            print(f"person {seed}: found in {count} pictures", file=sys.stderr)
            if found is not None:
                kept.append(found)
    slide = solve_slide(kept)
    points = model.mean.landmarks468
    places = points.on(model.mean.vertices) + points.offset
    partner = partners(places)
    mirrored = slide[partner] * MIRRORED[:, None] * (-1, 1, 1)
    slide = (slide + mirrored) / 2
    slide *= EYE_DISTANCE / np.linalg.norm(places[RIGHT_EYE_OUTER] - places[LEFT_EYE_OUTER]) / 1000

    def write(path: object) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, slide=slide.astype(np.float32))

    write_atomic(FILE, write)
    reach = np.linalg.norm(slide[:, :2], axis=-1).mean(0) * 0.2 * 1000
    print(f"wrote {FILE.name}; 11.5 degrees aside points slide by {reach[0]:.1f} mm, "
          f"up or down by {reach[1]:.1f} mm in the mean", file=sys.stderr)  # fmt: skip


if __name__ == "__main__":
    main()
