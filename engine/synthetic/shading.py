# SPDX-License-Identifier: GPL-3.0-or-later
"""What the camera sees at each sample: matter, shadow and light put together. S samples."""

from dataclasses import dataclass

import numpy as np

from ..head.model import EYE_LEFT, EYE_RIGHT, JAW, JOINTS, NECK, REGIONS, SKIN_REGIONS
from .light import light_hair, light_skin, towards_lamp
from .person import Person, Posed
from .scene import Scene
from .skin import Matter, eye_matter, mouth_matter, skin_matter, smooth, tooth_matter
from .torso import Torso

SKY_RAYS = 16  # a vertex, once
SKY_REACH, SHADOW_REACH = 0.10, 0.30  # m
LENS_TINT = np.array([0.93, 0.95, 0.95], np.float32)  # what a lens lets through
LENS_SKY, LENS_GLINT = 0.04, 0.10  # what it mirrors of the sky and of the lamps
MOUTH_AJAR = 0.12  # rad, while the sky is measured: the mouth's inside shades itself


@dataclass(frozen=True)
class Seen:
    """The samples of one frame that hit something."""

    points: np.ndarray  # [S, 3] m, world space
    view: np.ndarray  # [S, 3] unit, towards the camera
    face: np.ndarray  # [S] into the scene's faces
    bary: np.ndarray  # [S, 3]
    turn: np.ndarray  # [S] rad, where on the lamp the shadow ray ends
    grain: float  # m, width of a sample at the head

    def only(self, chosen: np.ndarray, first_face: int = 0) -> "Seen":
        """The samples `chosen`, their faces counted from `first_face`."""
        return Seen(
            self.points[chosen],
            self.view[chosen],
            self.face[chosen] - first_face,
            self.bary[chosen],
            self.turn[chosen],
            self.grain,
        )

    def of(self, attribute: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """A vertex attribute [V, C] of the mesh `faces` [F, 3] at the samples: [S, C]."""
        return np.einsum("skc,sk->sc", attribute[faces[self.face]], self.bary)


class Shader:
    """A person's skin, hair, glasses and clothes under the studio's lamps."""

    def __init__(self, person: Person, torso: Torso, scene: Scene, shadow_rays: int) -> None:
        self._shadow_rays = shadow_rays  # a sample
        self.person, self._torso, self._scene = person, torso, scene
        self.hair_start = len(person.surface.faces)
        self.glasses_start = self.hair_start + len(person.hair.faces)
        self.torso_start = self.glasses_start + len(person.glasses.faces)
        columns = [person.surface.rest, person.fields.stacked(), self._measure_sky()[:, None]]
        self._skin_attributes = np.concatenate(columns, 1).astype(np.float32)
        hair = person.hair
        self._hair_attributes = np.stack([hair.tip, hair.shade, hair.across, hair.open_sky], 1)

    def _measure_sky(self) -> np.ndarray:
        """How much of its surroundings every vertex of the skin sees, [V] 0…1."""
        person = self.person
        theta = np.zeros((len(JOINTS), 3), np.float32)
        theta[JAW, 0] = MOUTH_AJAR
        calm = np.zeros(len(person.head.expression_names), np.float32)
        start = person.pose(calm, theta, np.zeros(3, np.float32))
        self._scene.move(
            np.concatenate([start.skin, start.hair, start.glasses, self._torso.vertices])
        )
        normals = person.surface.normals(start.skin)
        random = np.random.default_rng((person.seed, 31))
        free = np.zeros(len(normals), np.float32)
        for _ in range(SKY_RAYS):
            aim = random.standard_normal(3)
            aim = normals + aim / np.linalg.norm(aim)  # cosine-weighted about each normal
            aim /= np.maximum(np.linalg.norm(aim, axis=1, keepdims=True), 1e-6)
            above = start.skin + 0.0006 * normals + 0.0004 * aim
            free += 1 - self._scene.blocked(above, aim, SKY_REACH)
        return person.surface.smoothed(free / SKY_RAYS)

    def shade(self, seen: Seen, posed: Posed, psi: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Radiance [S, 3] at the samples of one frame."""
        radiance = np.zeros((len(seen.face), 3), np.float32)
        starts = [self.hair_start, self.glasses_start, self.torso_start]
        kind = np.searchsorted(starts, seen.face, side="right")
        skin, hair, glasses, torso = (np.flatnonzero(kind == k) for k in range(4))
        radiance[skin] = self._shade_head(seen.only(skin), posed, psi, theta)
        radiance[hair] = self._shade_hair(seen.only(hair, self.hair_start), posed)
        radiance[torso] = self._shade_torso(seen.only(torso, self.torso_start), posed)
        if len(self.person.glasses.faces):
            radiance[glasses] = self._shade_frame(seen.only(glasses, self.glasses_start), posed)
            self._veil(radiance, seen, posed)
        return radiance

    def _shade_head(
        self, seen: Seen, posed: Posed, psi: np.ndarray, theta: np.ndarray
    ) -> np.ndarray:
        """Skin, eyes, teeth, and the inside of the mouth."""
        person, look = self.person, self.person.look
        surface, noise, grain = person.surface, person.noise, seen.grain
        normals = surface.normals(posed.skin).astype(np.float32)
        normal = unit(seen.of(normals, surface.faces))
        lit = self._lit(seen, normal)
        attributes = seen.of(self._skin_attributes, surface.faces)
        rest, fields, sky = attributes[:, :3], attributes[:, 3:-1], attributes[:, -1]
        region = surface.face_region[seen.face]
        radiance = np.zeros((len(rest), 3), np.float32)

        on = np.flatnonzero(_within(region, *SKIN_REGIONS))
        acts, jaw = person.creases.activations(psi, theta), max(float(theta[JAW, 0]), 0.0)
        matter = skin_matter(rest[on], fields[on], acts, jaw, person.face, look, noise, grain)
        slope = matter.bump @ posed.transforms[NECK, :, :3].T
        slope -= np.sum(slope * normal[on], 1, keepdims=True) * normal[on]
        bumped = unit(normal[on] - slope)
        radiance[on] = light_skin(matter, bumped, seen.view[on], sky[on], lit[on], look)

        ball = _within(region, "eyeball")
        for joint, side in ((EYE_LEFT, rest[:, 0] > 0), (EYE_RIGHT, rest[:, 0] <= 0)):
            on = np.flatnonzero(ball & side)
            from_centre = rest[on] - person.head.joints[joint]
            matter = eye_matter(from_centre, look, noise, grain)
            n = unit(from_centre) @ posed.transforms[joint, :, :3].T
            sheltered, glint = sky[on].clip(0.15, 1) ** 0.8, lit[on].clip(0.45, 1)  # wet: it glints
            radiance[on] = light_skin(matter, n, seen.view[on], sheltered, glint, look, 0.3)

        on = np.flatnonzero(_within(region, "teeth"))
        matter = tooth_matter(rest[on], person.face, noise, grain)
        # Light bounces about in the mouth: teeth see all of the sky and hardly any shadow.
        free, bright = np.ones(len(on), np.float32), lit[on].clip(0.9, 1)
        radiance[on] = light_skin(matter, normal[on], seen.view[on], free, bright, look, 0.4)

        on = np.flatnonzero(_within(region, "mouth_cavity", "tongue", "eye_socket"))
        matter = mouth_matter(rest[on], _within(region[on], "tongue"), person.face, noise)
        dim, glow = sky[on].clip(0.35, 1), lit[on].clip(0.15, 1)
        radiance[on] = light_skin(matter, normal[on], seen.view[on], dim, glow, look, 0.6)
        return radiance

    def _shade_hair(self, seen: Seen, posed: Posed) -> np.ndarray:
        hair, look, turned = self.person.hair, self.person.look, posed.transforms[NECK, :, :3]
        normal = unit(seen.of(hair.normals, hair.faces) @ turned.T)
        tangent = unit(seen.of(hair.tangents, hair.faces) @ turned.T)
        tip, shade, across, sky = seen.of(self._hair_attributes, hair.faces).T
        rounded = unit(normal + 0.45 * across[:, None] * np.cross(normal, tangent))
        root = 0.45 + 0.55 * smooth(tip, 0.0, 0.45)
        albedo = look.hair * (shade * root * (1 + 0.25 * tip))[:, None]
        lit = self._lit(seen, normal)
        return light_hair(albedo, rounded, tangent, seen.view, sky**1.2, lit, look)

    def _shade_frame(self, seen: Seen, posed: Posed) -> np.ndarray:
        """The frame of the glasses: lacquer or metal."""
        glasses, look = self.person.glasses, self.person.look
        normal = unit(seen.of(glasses.normals, glasses.faces) @ posed.transforms[NECK, :, :3].T)
        ones = np.ones(len(normal), np.float32)
        colour = np.broadcast_to(look.frame.colour, normal.shape)
        matter = Matter(colour, look.frame.gloss * ones, 40 * ones, np.zeros_like(normal))
        lit = self._lit(seen, normal)
        return light_skin(matter, normal, seen.view, 0.8 * ones, lit, look, 0.0)

    def _veil(self, radiance: np.ndarray, seen: Seen, posed: Posed) -> None:
        """Tint what is seen through the lenses and add what they reflect, in place."""
        look, glasses = self.person.look, self.person.glasses
        through, normal = glasses.behind_lens(seen.points, seen.view, posed.transforms[NECK])
        glint = LENS_SKY * look.sky * np.ones((len(through), 1), np.float32)
        for lamp in (look.key, look.rim):
            half = unit(seen.view[through] + lamp.towards)
            off = np.arccos(np.clip(np.sum(normal * half, 1), -1, 1))  # rad from the mirror's angle
            seen_lamp = smooth(off, 0.7 * lamp.width, 0.3 * lamp.width)[:, None]
            glint += LENS_GLINT * lamp.colour * seen_lamp
        radiance[through] = radiance[through] * LENS_TINT + glint

    def _shade_torso(self, seen: Seen, posed: Posed) -> np.ndarray:
        torso, look, noise = self._torso, self.person.look, self.person.noise
        normal = unit(seen.of(torso.normals, torso.faces) @ posed.transforms[0, :, :3].T)
        rest = seen.of(torso.vertices, torso.faces)
        weave = 1 + 0.07 * noise.value(rest, 0.012, 51) + 0.05 * noise.value(rest, 0.004, 52)
        ones = np.ones(len(rest), np.float32)
        matter = Matter(look.cloth * weave[:, None], 0.12 * ones, 6 * ones, 0 * rest)
        lit = self._lit(seen, normal)
        return light_skin(matter, normal, seen.view, 0.75 * ones, lit, look, 0.0)

    def _lit(self, seen: Seen, normal: np.ndarray) -> np.ndarray:
        """How much of the key lamp the samples see: [S] 0…1, soft once averaged to pixels."""
        open_rays = np.zeros(len(normal), np.float32)
        for k in range(self._shadow_rays):
            turn = seen.turn + np.float32(2 * np.pi * k / self._shadow_rays)
            radius = np.sqrt(np.remainder(0.31 + turn * 2.618, 1.0))[:, None]
            spread = radius * np.stack([np.cos(turn), np.sin(turn)], 1)
            aim = towards_lamp(self.person.look.key, spread)
            above = seen.points + 0.0012 * normal + 0.0005 * aim
            open_rays += 1 - self._scene.blocked(above, aim, SHADOW_REACH)
        return open_rays / self._shadow_rays


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors [..., 3] at length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _within(region: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(region, [REGIONS.index(name) for name in names])
