# SPDX-License-Identifier: GPL-3.0-or-later
"""The person behind a seed: identity, what the surface does beyond the linear model, look."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..head.model import JAW, NECK, Head, HeadModel
from ..head.skinning import joint_transforms, posed_vertices
from .creases import Creases, crease_terms
from .fields import Face, Fields, measure_fields
from .glasses import Glasses, fit_glasses
from .hair import Hair, grow_hair
from .look import Look, make_look
from .noise import Noise
from .refine import Surface, refine

SPREAD = 0.7  # deviations of the identity coefficients
DETAIL = 0.0005  # m, deviation of the shape beyond the identity modes
# How this family's teeth stand: down and forward of the linear head's, so that they show. [3] m
UPPER_BITE, LOWER_BITE = np.array([0, -0.0020, 0.0030]), np.array([0, -0.0010, 0.0020])


@dataclass(frozen=True)
class Person:
    """One procedural subject. V = vertices of the refined surface, H of hair, G of glasses."""

    seed: int
    head: Head  # the linear head, as a perfect tracker would give it
    surface: Surface
    face: Face
    fields: Fields
    detail: np.ndarray  # [V, 3] m, what skin and teeth have beyond the linear head
    creases: Creases
    hair: Hair
    glasses: Glasses
    look: Look
    noise: Noise

    def pose(self, psi: np.ndarray, theta: np.ndarray, translation: np.ndarray) -> "Posed":
        """The true surface for psi [E], theta [J, 3] rad, translation [3] m."""
        offsets = self.detail + self.creases.offsets(psi, theta)  # [V, 3] m, rest pose
        tensors = self.surface.tensors
        theta_t = torch.as_tensor(theta, dtype=torch.float32)[None]
        shift = torch.as_tensor(translation, dtype=torch.float32)[None]
        psi_t = torch.as_tensor(psi, dtype=torch.float32)[None]
        linear = posed_vertices(tensors, psi_t, theta_t, shift)[0].numpy()
        transforms = joint_transforms(theta_t, shift, tensors.joints)[0].numpy()  # [J, 3, 4]
        turns = np.einsum("vj,jab->vab", tensors.skin_weights.numpy(), transforms[:, :, :3])
        skin = linear + np.einsum("vab,vb->va", turns, offsets).astype(np.float32)
        skull = transforms[NECK]
        hair, glasses = (
            (vertices @ skull[:, :3].T + skull[:, 3]).astype(np.float32)
            for vertices in (self.hair.vertices, self.glasses.vertices)
        )
        return Posed(skin, hair, glasses, transforms)


@dataclass(frozen=True)
class Posed:
    """A person in one pose, world space."""

    skin: np.ndarray  # [V, 3] m
    hair: np.ndarray  # [H, 3] m
    glasses: np.ndarray  # [G, 3] m
    transforms: np.ndarray  # [J, 3, 4], posed_from_rest


def make_person(seed: int, model: HeadModel, glasses: str = "auto") -> Person:
    """Person number `seed` on the head model; `glasses` is auto (the seed decides), yes or no."""
    random = np.random.default_rng((seed, 5))
    modes = len(model.identity_names)
    beta = np.clip(random.normal(0, SPREAD, modes), -1.8, 1.8).astype(np.float32)
    head = model.subject(beta)
    surface = refine(head)
    face = Face.of(head.landmarks68.on(head.vertices).astype(np.float64))
    rest = surface.rest.astype(np.float64)
    fields = measure_fields(rest, face, surface.vertices_in("ear"))
    look = _with_moles(make_look(seed, glasses), rest[surface.vertices_in("face")], random)
    noise = Noise(seed)
    normals = surface.normals(rest)
    skin = surface.vertices_in("face", "scalp", "ear", "neck")
    detail = _detail(rest, normals, skin, fields, look, noise) + _bite(surface)
    depth = 0.75 + 0.4 * look.age
    creases = crease_terms(rest, normals, skin, fields, face, depth, head.expression_names)
    hair = grow_hair(surface, np.where(skin, fields.hair, -1.0), face, look, seed)
    worn = Glasses() if look.frame is None else fit_glasses(surface, face, look.frame)
    return Person(seed, head, surface, face, fields, detail, creases, hair, worn, look, noise)


def _with_moles(look: Look, places: np.ndarray, random: np.random.Generator) -> Look:
    count = random.poisson(2.5)
    return replace(
        look,
        mole_places=places[random.integers(len(places), size=count)],
        mole_radii=random.uniform(0.0006, 0.0016, count),
    )


def _bite(surface: Surface) -> np.ndarray:
    """Offsets [V, 3] m of the teeth; the lower ones are those that the jaw carries."""
    teeth = surface.vertices_in("teeth")[:, None]
    lower = surface.tensors.skin_weights.numpy()[:, JAW : JAW + 1]
    return (teeth * (UPPER_BITE + lower * (LOWER_BITE - UPPER_BITE))).astype(np.float32)


def _detail(
    rest: np.ndarray,
    normals: np.ndarray,
    skin: np.ndarray,
    fields: Fields,
    look: Look,
    noise: Noise,
) -> np.ndarray:
    """Lumps of the neutral skin [V, 3] m that no identity mode has, and ridges of the brows."""
    lumps = 0.7 * noise.value(rest, 0.045, 3) + 0.4 * noise.value(rest, 0.018, 4)
    free = np.clip(fields.eye / 0.010, 0, 1) * np.clip(fields.lip / 0.010, 0, 1) * skin
    brow = 0.0007 * np.exp(-np.square(fields.brow / look.brow_width))
    height = (DETAIL * lumps + brow) * free
    return (height[:, None] * normals).astype(np.float32)
