# SPDX-License-Identifier: GPL-3.0-or-later
"""What an avatar has to beat: the nearest training frame, and the head mesh with a mean texture.

    python -m showcase.baselines CAPTURE --out baselines.json

Both are measured on the capture's test frames exactly as `eval` measures an avatar.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import sparse

from engine.capture.folder import Capture, read_capture
from engine.errors import CaptureError
from engine.files import write_text_atomic
from engine.head.model import JOINTS
from engine.head.skinning import HeadTensors, posed_vertices
from engine.render.camera import Camera
from engine.render.mesh import view_mesh
from engine.train.evaluate import head_boxes, true_picture
from engine.train.metrics import Picture, compare, mean_figures, on_white

SOFTENING_ROUNDS = 200  # of spreading colours to vertices that no training frame shows
VISIBLE = 0.004  # m; a vertex this far behind what the camera sees is hidden


def baseline_figures(capture: Capture, size: int = 0, pictures: Path | None = None) -> dict:
    """Both baselines on the test frames: {"nearest_frame": {…}, "textured_mesh": {…}}.

    Args:
        capture: an opened capture with training and test frames.
        size: height of the compared pictures, px; 0 = the capture's.
        pictures: folder for nearest_frame/NNNNN.png and textured_mesh/NNNNN.png.

    Raises:
        CaptureError: it has no test frames.
    """
    if not capture.test or not capture.train:
        raise CaptureError(
            f"The capture {capture.path} has no test frames.", "Capture more frames."
        )
    camera = capture.camera.of_height(size or capture.camera.height)
    truths = {index: true_picture(capture, index, camera) for index in capture.test}
    boxes = head_boxes(capture, capture.test, camera)
    predictions = {"nearest_frame": nearest_frames, "textured_mesh": textured_mesh}
    result = {}
    for name, predict in predictions.items():
        started = time.monotonic()
        frames = []
        for index, found in predict(capture, camera):
            frames.append(compare(truths[index], found, boxes[index]))
            if pictures is not None:
                write_picture(pictures / name / f"{index:05d}.png", found)
        result[name] = {**mean_figures(frames), "frames": len(frames)}
        result[name]["seconds"] = round(time.monotonic() - started, 2)
    return result


def nearest_frames(capture: Capture, camera: Camera) -> Iterator[tuple[int, Picture]]:
    """Each test frame with the training picture whose parameters are nearest."""
    features = motion_features(capture)
    train = np.array(capture.train)
    for index in capture.test:
        distance = np.linalg.norm(features[train] - features[index], axis=1)
        yield index, true_picture(capture, int(train[distance.argmin()]), camera)


def motion_features(capture: Capture) -> np.ndarray:
    """The parameters of all frames [N, D], each scaled to the metres by which it moves the face."""
    head, motion = capture.head, capture.motion
    face = head.vertices_in("face")
    moved = np.linalg.norm(head.expressions[:, face].astype(np.float32), axis=-1)  # [E, face]
    per_expression = np.sqrt((moved**2).mean(1))  # [E] m
    arms = np.empty(len(JOINTS))
    for joint, place in enumerate(head.joints):
        below = head.skin_weights[:, joint] if joint else 1.0  # the root turns everything
        distance = np.linalg.norm(head.vertices - place, axis=1)
        arms[joint] = np.sqrt((below * distance**2).mean())
    turns = (motion.theta * arms[:, None]).reshape(len(motion), -1)
    return np.concatenate([motion.psi * per_expression, turns, motion.translation], axis=1)


def textured_mesh(capture: Capture, camera: Camera) -> Iterator[tuple[int, Picture]]:
    """Each test frame as the posed head mesh with the colours averaged over the training frames."""
    colours = mean_colours(capture, camera)
    faces = capture.head.faces
    for index, vertices in posed(capture, capture.test):
        view = view_mesh(vertices, faces, camera, supersample=2)
        alpha = halved(view.hit.astype(np.float32)[..., None])[..., 0]
        colour = halved(view.interpolate(colours, faces).astype(np.float32))
        yield index, on_white(colour, alpha)


def mean_colours(capture: Capture, camera: Camera) -> np.ndarray:
    """The mean colour [V, 3] of every vertex over the training frames that show it, in 0…1."""
    head = capture.head
    total, weight = np.zeros((len(head.vertices), 3)), np.zeros(len(head.vertices))
    for index, vertices in posed(capture, capture.train):
        picture = true_picture(capture, index, camera)
        pixels, depth = camera.project(vertices)
        seen = view_mesh(vertices, head.faces, camera).depth
        spots = np.floor(pixels).astype(int).clip(0, (camera.width - 1, camera.height - 1))
        inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(1)
        shown = inside & (depth < seen[spots[:, 1], spots[:, 0]] + VISIBLE)
        sampled = sample(np.dstack([picture.colour, picture.alpha]), pixels[shown])
        strength = sampled[:, 3] ** 2  # edge pixels are mixed with the background
        total[shown] += sampled[:, :3] * strength[:, None]
        weight[shown] += strength
    known = weight > 1e-3
    colours = np.where(known[:, None], total / np.maximum(weight, 1e-3)[:, None], 0)
    return spread(colours, known, head.faces).astype(np.float32)


def spread(colours: np.ndarray, known: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Colours [V, 3] with those of unknown vertices taken from their neighbours, ring by ring."""
    count = len(colours)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count)).tocsr()
    graph = graph + graph.T
    filled, reached = colours.copy(), known.copy()
    for _ in range(SOFTENING_ROUNDS):
        near = graph @ reached.astype(float)
        new = ~reached & (near > 0)
        if not new.any():
            break
        filled[new] = (graph @ (filled * reached[:, None]))[new] / near[new, None]
        reached |= new
    filled[~reached] = colours[known].mean(0) if known.any() else 0.5
    return filled


def posed(capture: Capture, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The vertices [V, 3] m, world space, of the given frames."""
    head = HeadTensors.of(capture.head)
    for index in indices:
        motion = capture.motion[[index]]
        arrays = (motion.psi, motion.theta, motion.translation)
        yield index, posed_vertices(head, *map(torch.from_numpy, arrays))[0].numpy()


def sample(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A picture [H, W, C] at positions [K, 2] px, bilinear: [K, C]."""
    places = (pixels - 0.5).astype(np.float32)[:, None]  # OpenCV counts from pixel centres
    found = cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(len(pixels), -1)


def halved(picture: np.ndarray) -> np.ndarray:
    """A picture [2H, 2W, C] at half the size, by averaging."""
    h, w, c = picture.shape
    return picture.reshape(h // 2, 2, w // 2, 2, c).mean((1, 3))


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (picture.colour[..., ::-1] * 255 + 0.5).astype(np.uint8))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the figures and the pictures beside them, print the figures; the status."""
    parser = argparse.ArgumentParser(prog="showcase.baselines", description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--size", type=int, default=0, help="height, px; 0 = the capture's")
    options = parser.parse_args(arguments)
    figures = baseline_figures(
        read_capture(options.capture), options.size, options.out.with_suffix("")
    )
    write_text_atomic(options.out, json.dumps(figures, indent=1))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
