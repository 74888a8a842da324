# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a person: ray casting with several samples a pixel, mattes and true depth."""

from dataclasses import dataclass

import numpy as np

from ..head.model import EYE_LEFT, EYE_RIGHT, JAW, NECK, REGIONS, SKIN_REGIONS
from ..render.camera import Camera
from .light import display, light_hair, light_skin, towards_lamp
from .person import Person, Posed
from .scene import Scene
from .skin import Matter, eye_matter, mouth_matter, skin_matter, smooth, tooth_matter
from .torso import make_torso

SKY_RAYS = 16
SHADOW_RAYS = 1  # a sample
FULL_SAMPLES_UP_TO = 256  # px; larger pictures take 2 x 2 samples a pixel instead of 3 x 3


@dataclass(frozen=True)
class Picture:
    """One frame: sRGB [H, W, 3] uint8, matte [H, W] uint8, depth [H, W] m (inf where empty)."""

    image: np.ndarray
    matte: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class _Samples:
    """The samples of one frame that hit the same mesh."""

    index: np.ndarray  # [S] into the frame's samples
    corners: np.ndarray  # [S, 3] vertex indices
    bary: np.ndarray  # [S, 3] float32
    face: np.ndarray  # [S]

    def of(self, attribute: np.ndarray) -> np.ndarray:
        """The vertex attribute [V, C] at the samples: [S, C]."""
        return np.einsum("skc,sk->sc", attribute[self.corners], self.bary)


class Studio:
    """A person before the camera: what stays the same over all frames is made once."""

    def __init__(self, person: Person, camera: Camera) -> None:
        self.person = person
        self.camera = camera
        surface, hair = person.surface, person.hair
        self._fine = fine = 3 if camera.width <= FULL_SAMPLES_UP_TO else 2
        self._samples_camera = camera.resized(camera.width * fine, camera.height * fine)
        self._rays = self._samples_camera.rays()
        self._empty = display(self._backdrop(self._samples_camera))
        skin_count = len(surface.rest)
        self._hair_start = len(surface.faces)
        self._torso = make_torso(surface, person.noise)
        self._torso_start = self._hair_start + len(hair.faces)
        head_count = skin_count + len(hair.vertices)
        faces = np.concatenate(
            [surface.faces, hair.faces + skin_count, self._torso.faces + head_count]
        )
        psi = np.zeros(len(person.head.expression_names), np.float32)
        theta = np.zeros((5, 3), np.float32)
        theta[JAW, 0] = 0.12  # the mouth a little open: its inside shades itself
        start = person.pose(psi, theta, np.zeros(3))
        self._scene = Scene(np.concatenate([start.skin, start.hair, self._torso.vertices]), faces)
        self._open_sky = self._measure_sky(start)
        self._skin_attributes = np.concatenate(
            [surface.rest, person.fields.stacked(), self._open_sky[:skin_count, None]], 1
        ).astype(np.float32)
        self._hair_attributes = np.stack(
            [hair.tip, hair.shade, hair.across, self._open_sky[skin_count:]], 1
        ).astype(np.float32)
        self._is_skin = np.isin(surface.face_region, [REGIONS.index(name) for name in SKIN_REGIONS])

    def _measure_sky(self, start: Posed) -> np.ndarray:
        """How much of its surroundings every vertex sees, [V + H] 0…1."""
        person = self.person
        normals = person.surface.normals(start.skin)
        random = np.random.default_rng((person.seed, 31))
        free = np.zeros(len(normals), np.float32)
        for _ in range(SKY_RAYS):
            aim = random.standard_normal(3)
            aim = normals + aim / np.linalg.norm(aim)  # cosine-weighted about each normal
            aim /= np.maximum(np.linalg.norm(aim, axis=1, keepdims=True), 1e-6)
            free += 1 - self._scene.blocked(start.skin + 0.0006 * normals + 0.0004 * aim, aim, 0.10)
        return np.concatenate([person.surface.smoothed(free / SKY_RAYS), person.hair.open_sky])

    def frame(self, psi: np.ndarray, theta: np.ndarray, translation: np.ndarray) -> Picture:
        """The picture for psi [E], theta [J, 3] rad, translation [3] m."""
        person = self.person
        posed = person.pose(psi, theta, translation)
        root = posed.transforms[0]
        torso = self._torso.vertices @ root[:, :3].T + root[:, 3]
        vertices = np.concatenate([posed.skin, posed.hair, torso])
        self._scene.move(vertices)
        fine, camera, origin, directions = self._fine, self._samples_camera, *self._rays
        seen = self._window(camera, vertices)
        directions_seen = directions[seen]
        t, face, bary = self._scene.hits(
            np.broadcast_to(origin, directions_seen.shape), directions_seen
        )
        hit = np.flatnonzero(face >= 0)
        grain = float(np.median(t[hit])) / camera.fx if len(hit) else 1e-3
        turn = self._shadow_turns(camera, fine, seen[hit])
        radiance = self._shade(
            posed, psi, theta, origin, directions_seen, t, face, bary, hit, grain, turn
        )
        colour = self._empty.copy()
        cover = np.zeros(len(directions), np.float32)
        depth = np.full(len(directions), np.inf, np.float32)
        colour[seen[hit]] = display(radiance)
        of_head = hit[face[hit] < self._torso_start]
        cover[seen[of_head]], depth[seen[of_head]] = 1.0, t[of_head]
        return _gathered(colour, cover, depth, self.camera, fine)

    def _window(self, camera: Camera, vertices: np.ndarray) -> np.ndarray:
        """The samples [R'] in the rectangle that the head can cover."""
        pixels, _ = camera.project(vertices)
        low = np.clip(np.floor(pixels.min(0)) - 1, 0, (camera.width, camera.height)).astype(int)
        high = np.clip(np.ceil(pixels.max(0)) + 1, 0, (camera.width, camera.height)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        return (y * camera.width + x).ravel()

    def _backdrop(self, camera: Camera) -> np.ndarray:
        x, y = np.meshgrid(np.linspace(-1, 1, camera.width), np.linspace(-1, 1, camera.height))
        towards_key = -np.sign(self.person.look.key.towards[0])  # the lamp spills on the far side
        glow = np.exp(-(np.square(x - 0.35 * towards_key) + np.square(y + 0.1)) / 1.6)
        return (self.person.look.backdrop * (0.35 + 0.65 * glow)[..., None]).reshape(-1, 3)

    def _shade(self, posed, psi, theta, origin, directions, t, face, bary, hit, grain, turn):
        person, look = self.person, self.person.look
        points = origin + t[hit, None] * directions[hit]
        view = -directions[hit] / np.linalg.norm(directions[hit], axis=1, keepdims=True)
        of_skin = face[hit] < self._hair_start
        radiance = np.zeros((len(hit), 3), np.float32)

        on_skin = np.flatnonzero(of_skin)
        samples = _Samples(
            on_skin,
            person.surface.faces[face[hit][on_skin]],
            bary[hit][on_skin],
            face[hit][on_skin],
        )
        normal = _unit(samples.of(person.surface.normals(posed.skin).astype(np.float32)))
        lit = self._lit(points[on_skin], normal, turn[on_skin])
        attributes = samples.of(self._skin_attributes)
        rest, fields, sky = attributes[:, :3], attributes[:, 3:-1], attributes[:, -1]
        acts = person.creases.activations(psi, theta)
        jaw = max(float(theta[JAW, 0]), 0.0)
        region = person.surface.face_region[samples.face]
        is_skin = self._is_skin[samples.face]
        skull = posed.transforms[NECK, :, :3]

        def put(
            chosen: np.ndarray, matter: Matter, n: np.ndarray, scatter: float, open_sky: np.ndarray
        ) -> None:
            where = on_skin[chosen]
            radiance[where] = light_skin(
                matter, n, view[where], open_sky, lit[chosen], look, scatter
            )

        chosen = np.flatnonzero(is_skin)
        matter = skin_matter(
            rest[chosen], fields[chosen], acts, jaw, person.face, look, person.noise, grain
        )
        bumped = _unit(normal[chosen] - _tangential(matter.bump @ skull.T, normal[chosen]))
        put(chosen, matter, bumped, 1.0, sky[chosen])
        for joint, left in ((EYE_LEFT, True), (EYE_RIGHT, False)):
            on_ball = (region == REGIONS.index("eyeball")) & ((rest[:, 0] > 0) == left)
            chosen = np.flatnonzero(on_ball)
            from_centre = rest[chosen] - person.head.joints[joint]
            matter = eye_matter(from_centre, look, person.noise, grain)
            n = _unit(from_centre) @ posed.transforms[joint, :, :3].T
            put(chosen, matter, n, 0.3, sky[chosen].clip(0.15, 1) ** 0.8)
        chosen = np.flatnonzero(region == REGIONS.index("teeth"))
        put(
            chosen,
            tooth_matter(rest[chosen], person.face, person.noise, grain),
            normal[chosen],
            0.4,
            sky[chosen].clip(0.3, 1),
        )
        inner = ~is_skin & ~np.isin(region, [REGIONS.index("eyeball"), REGIONS.index("teeth")])
        chosen = np.flatnonzero(inner)
        tongue = region[chosen] == REGIONS.index("tongue")
        put(
            chosen,
            mouth_matter(rest[chosen], tongue, person.face, person.noise),
            normal[chosen],
            0.6,
            sky[chosen].clip(0.2, 1),
        )

        on_hair = np.flatnonzero(~of_skin & (face[hit] < self._torso_start))
        self._shade_hair(
            radiance,
            on_hair,
            face[hit][on_hair] - self._hair_start,
            bary[hit][on_hair],
            points,
            view,
            skull,
            turn,
        )
        on_torso = np.flatnonzero(face[hit] >= self._torso_start)
        self._shade_torso(
            radiance,
            on_torso,
            face[hit][on_torso] - self._torso_start,
            bary[hit][on_torso],
            points,
            view,
            posed,
            turn,
        )
        return radiance

    def _shade_torso(self, radiance, index, face, bary, points, view, posed, turn):
        torso, look, noise = self._torso, self.person.look, self.person.noise
        samples = _Samples(index, torso.faces[face], bary, face)
        normal = _unit(samples.of(torso.normals) @ posed.transforms[0, :, :3].T)
        rest = samples.of(torso.vertices)
        weave = 1 + 0.07 * noise.value(rest, 0.012, 51) + 0.05 * noise.value(rest, 0.004, 52)
        ones = np.ones(len(index), np.float32)
        matter = Matter(look.cloth * weave[:, None], 0.12 * ones, 6 * ones, 0 * rest)
        lit = self._lit(points[index], normal, turn[index])
        radiance[index] = light_skin(matter, normal, view[index], 0.75 * ones, lit, look, 0.0)

    def _shade_hair(self, radiance, index, face, bary, points, view, skull, turn):
        hair, look = self.person.hair, self.person.look
        samples = _Samples(index, hair.faces[face], bary, face)
        normal = _unit(samples.of(hair.normals) @ skull.T)
        tangent = _unit(samples.of(hair.tangents) @ skull.T)
        tip, shade, across, sky = samples.of(self._hair_attributes).T
        rounded = _unit(normal + 0.45 * across[:, None] * np.cross(normal, tangent))
        lit = self._lit(points[index], normal, turn[index])
        root = 0.45 + 0.55 * smooth(tip, 0.0, 0.45)
        albedo = look.hair * (shade * root * (1 + 0.25 * tip))[:, None]
        radiance[index] = light_hair(albedo, rounded, tangent, view[index], sky**1.2, lit, look)

    def _shadow_turns(self, camera: Camera, fine: int, places: np.ndarray) -> np.ndarray:
        """Angles [S] on the lamp: spread over a pixel's samples, random over pixels."""
        x, y = places % camera.width, places // camera.width
        share = (x % fine + fine * (y % fine)) / (fine * fine)
        random = np.random.default_rng(3).random(4096)
        pixel = random[(x // fine * 73 + y // fine * 179) % 4096]
        return (2 * np.pi * (pixel + share / SHADOW_RAYS)).astype(np.float32)

    def _lit(self, points: np.ndarray, normal: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """How much of the key lamp the points [S, 3] see: [S] 0…1, from a few rays each."""
        seen = np.zeros(len(points), np.float32)
        for k in range(SHADOW_RAYS):
            angle = turn + k * 2 * np.pi / SHADOW_RAYS
            radius = np.sqrt(np.remainder(0.31 + (k + turn * 2.618) / SHADOW_RAYS, 1.0))[:, None]
            spread = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
            aim = towards_lamp(self.person.look.key, spread)
            seen += 1 - self._scene.blocked(points + 0.0012 * normal + 0.0005 * aim, aim, 0.3)
        return seen / SHADOW_RAYS


def _gathered(
    colour: np.ndarray, cover: np.ndarray, depth: np.ndarray, camera: Camera, fine: int
) -> Picture:
    """Samples averaged to pixels; depth is that of the hit nearest to the pixel's centre."""
    h, w = camera.height, camera.width
    blocks = (h, fine, w, fine)
    image = colour.reshape(*blocks, 3).mean((1, 3))
    matte = cover.reshape(blocks).mean((1, 3))
    offset = np.abs(np.arange(fine) - (fine - 1) / 2)
    order = np.argsort((offset[:, None] ** 2 + offset[None] ** 2).ravel(), kind="stable")
    stacked = depth.reshape(blocks).transpose(0, 2, 1, 3).reshape(h, w, fine * fine)[..., order]
    first = np.isfinite(stacked).argmax(-1)
    nearest = np.take_along_axis(stacked, first[..., None], -1)[..., 0]
    return Picture(
        image=(image * 255 + 0.5).astype(np.uint8),
        matte=(matte * 255 + 0.5).astype(np.uint8),
        depth=np.where(matte >= 0.5, nearest, np.inf).astype(np.float32),
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _tangential(slope: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return slope - np.sum(slope * normal, 1, keepdims=True) * normal
