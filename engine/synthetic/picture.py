# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a person: ray casting with several samples a pixel, mattes and true depth."""

from dataclasses import dataclass

import numpy as np

from ..render.camera import Camera
from .light import display
from .person import Person
from .scene import Scene
from .shading import Seen, Shader
from .torso import make_torso

FULL_SAMPLES_UP_TO = 256  # px; larger pictures take 2 x 2 samples a pixel instead of 3 x 3


@dataclass(frozen=True)
class Picture:
    """One frame."""

    image: np.ndarray  # [H, W, 3] uint8, display-referred sRGB
    matte: np.ndarray  # [H, W] uint8
    depth: np.ndarray  # [H, W] m, inf where empty


class Studio:
    """A person before the camera: what stays the same over all frames is made once.

    The mesh holds skin, hair, glasses and torso, in this order.
    """

    def __init__(self, person: Person, camera: Camera) -> None:
        self.person = person
        self.camera = camera
        self._fine = fine = 3 if camera.width <= FULL_SAMPLES_UP_TO else 2
        self._samples = camera.resized(camera.width * fine, camera.height * fine)
        self._rays = self._samples.rays()
        self._empty = display(self._backdrop())
        self._torso = make_torso(person.surface, person.noise)
        rest = [person.surface.rest]
        rest += [m.vertices for m in (person.hair, person.glasses, self._torso)]
        faces = [m.faces for m in (person.surface, person.hair, person.glasses, self._torso)]
        start = np.cumsum([0] + [len(vertices) for vertices in rest[:-1]])
        parts = [part + first for part, first in zip(faces, start, strict=True)]
        self._scene = Scene(np.concatenate(rest), np.concatenate(parts))
        self._shader = Shader(person, self._torso, self._scene, shadow_rays=1 if fine > 2 else 3)

    def frame(self, psi: np.ndarray, theta: np.ndarray, translation: np.ndarray) -> Picture:
        """The picture for psi [E], theta [J, 3] rad, translation [3] m."""
        posed = self.person.pose(psi, theta, translation)
        root = posed.transforms[0]
        torso = self._torso.vertices @ root[:, :3].T + root[:, 3]
        vertices = np.concatenate([posed.skin, posed.hair, posed.glasses, torso])
        self._scene.move(vertices)
        origin, directions = self._rays
        place = self._window(vertices)
        t, face, bary = self._scene.hits(
            np.broadcast_to(origin, (len(place), 3)), directions[place]
        )
        hit = np.flatnonzero(face >= 0)
        place, t, face, bary = place[hit], t[hit], face[hit], bary[hit]
        seen = Seen(
            points=origin + t[:, None] * directions[place],
            view=-directions[place] / np.linalg.norm(directions[place], axis=1, keepdims=True),
            face=face,
            bary=bary,
            turn=self._lamp_turns(place),
            grain=float(np.median(t)) / self._samples.fx if len(t) else 1e-3,
        )
        colour = self._empty.copy()
        colour[place] = display(self._shader.shade(seen, posed, psi, theta))
        of_head = face < self._shader.torso_start
        cover = np.zeros(len(colour), np.float32)
        depth = np.full(len(colour), np.inf, np.float32)
        cover[place[of_head]], depth[place[of_head]] = 1.0, t[of_head]
        return gathered(colour, cover, depth, self.camera, self._fine)

    def _window(self, vertices: np.ndarray) -> np.ndarray:
        """The samples [R'] in the rectangle that the vertices cover."""
        size = np.array([self._samples.width, self._samples.height])
        pixels, _ = self._samples.project(vertices)
        low = np.clip(np.floor(pixels.min(0)) - 1, 0, size).astype(int)
        high = np.clip(np.ceil(pixels.max(0)) + 1, 0, size).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        return (y * size[0] + x).ravel()

    def _backdrop(self) -> np.ndarray:
        """The wall behind [samples, 3], linear: the key lamp spills on its far side."""
        look, camera = self.person.look, self._samples
        x, y = np.meshgrid(np.linspace(-1, 1, camera.width), np.linspace(-1, 1, camera.height))
        glow = np.exp(
            -(np.square(x + 0.35 * np.sign(look.key.towards[0])) + np.square(y + 0.1)) / 1.6
        )
        return (look.backdrop * (0.35 + 0.65 * glow)[..., None]).reshape(-1, 3)

    def _lamp_turns(self, place: np.ndarray) -> np.ndarray:
        """Angles [S] on the lamp: spread over a pixel's samples, random over pixels."""
        fine = self._fine
        x, y = place % self._samples.width, place // self._samples.width
        share = (x % fine + fine * (y % fine)) / (fine * fine)
        pixel = np.random.default_rng(3).random(4096)[(x // fine * 73 + y // fine * 179) % 4096]
        return (2 * np.pi * (pixel + share)).astype(np.float32)


def gathered(
    colour: np.ndarray, cover: np.ndarray, depth: np.ndarray, camera: Camera, fine: int
) -> Picture:
    """Samples averaged to pixels; depth is that of the hit nearest to the pixel's centre.

    Args:
        colour: [H·fine·W·fine, 3] display-referred, row by row.
        cover: the same number, 0 or 1.
        depth: the same number, m, inf where empty.
        camera: of the picture.
        fine: samples along a pixel's side.
    """
    h, w = camera.height, camera.width
    blocks = (h, fine, w, fine)
    image = colour.reshape(*blocks, 3).mean((1, 3))
    matte = (cover.reshape(blocks).mean((1, 3)) * 255 + 0.5).astype(np.uint8)
    offset = np.abs(np.arange(fine) - (fine - 1) / 2)
    order = np.argsort((offset[:, None] ** 2 + offset[None] ** 2).ravel(), kind="stable")
    stacked = depth.reshape(blocks).transpose(0, 2, 1, 3).reshape(h, w, fine * fine)[..., order]
    first = np.isfinite(stacked).argmax(-1)
    nearest = np.take_along_axis(stacked, first[..., None], -1)[..., 0]
    return Picture(
        image=(image * 255 + 0.5).astype(np.uint8),
        matte=matte,
        depth=np.where(matte >= 128, nearest, np.inf).astype(np.float32),
    )
