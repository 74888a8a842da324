# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion made with one head model, for a head of another: ARKit names ↔ anybody's coefficients.

What each source coefficient does to the skin is carried onto the target's skin; the target's
coefficients are those that do the same, by ridge least squares. A shape of the same name means the
same: it is taken as it is, and its neighbours mend a little of what it does differently. The jaw's
three angles are unknowns like the coefficients. Unknowns U = E + 3.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import HeadMismatchError
from .model import EYE_LEFT, EYE_RIGHT, JAW, NECK, Head
from .motion import Motion
from .registration import Warp, closest_on, register
from .skinning import HeadTensors, joint_transforms, posed_vertices

JAW_STEP = 0.25  # rad at which the jaw's columns are measured
POINTS = 2500  # of the target's skin
RIDGE = 3e-2  # of each column's square: against coefficients that cancel each other
NAME_PULL = 3.0  # the same, towards a coefficient of the same name and the same jaw angles
NEIGHBOUR_PULL = 10.0  # the same, towards 0 for all others where there is one of the same name
MOST_JAW = 0.6  # rad
JAW_SIDE = 0.4  # jaw weight from which on skin belongs to the lower lip
MOUTH = 0.3  # of the distance of the eyes, around the lips
MOST_TWO_SIDED = 4.0  # standard deviations, of coefficients without names
MOST_ONE_SIDED = 1.2  # ARKit shapes, a little beyond full
SWEEPS = 60
ARKIT_STEMS = ("brow", "cheek", "eye", "jaw", "mouth", "nose", "tongue")


@dataclass(frozen=True)
class Transfer:
    """target_from_source for coefficients and jaw angles of two heads."""

    source: Head
    target: Head
    linear: np.ndarray  # [U_t, U_s] the map without bounds; the last three of each are the jaw
    gram: np.ndarray  # [U_t, U_t] how much errors of the target's unknowns matter
    low: np.ndarray  # [U_t]
    high: np.ndarray  # [U_t]
    columns: np.ndarray  # [U_t, S, 3] m, what the target's unknowns do to its skin's points
    carried: np.ndarray  # [U_s, S, 3] m, what the source's unknowns should do there

    def coefficients(self, psi: np.ndarray, jaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The target's psi [N, E_t] and jaw [N, 3] for psi [N, E_s] and jaw [N, 3] rad."""
        free = self.linear @ np.concatenate([psi, jaw], 1).T.astype(float)  # [U_t, N]
        found = _bounded(self.gram, self.gram @ free, self.low, self.high).T
        count = len(self.target.expression_names)
        return found[:, :count].astype(np.float32), found[:, count:].astype(np.float32)

    def motion(self, motion: Motion) -> Motion:
        """The motion for the target head: it stands where the source stood, eye over eye."""
        psi, jaw = self.coefficients(motion.psi, motion.theta[:, JAW])
        theta = np.array(motion.theta, np.float32)
        theta[:, JAW] = jaw
        stood = _skull_places(self.source, motion.theta, motion.translation)
        stands = _skull_places(self.target, theta, np.zeros_like(motion.translation))
        return Motion(psi, theta, (stood - stands).astype(np.float32))

    def error(self, psi: np.ndarray, jaw: np.ndarray) -> float:
        """How much of the skin's motion is lost: RMS of what is left over RMS of what was wanted.

        0 = all of it arrives, 1 = nothing does; over all frames [N] and the skin's points.
        """
        found = np.concatenate(self.coefficients(psi, jaw), 1)
        wanted = np.concatenate([psi, jaw], 1)
        flat, goal = (
            self.columns.reshape(len(self.columns), -1),
            self.carried.reshape(len(self.carried), -1),
        )  # [U, 3S]
        # |found·flat − wanted·goal|² by the columns' products, so that no frame is ever unrolled
        lost = (
            _square(found, flat @ flat.T) + _square(wanted, goal @ goal.T)
            - 2 * np.einsum("nu,uv,nv->", found, flat @ goal.T, wanted)
        )  # fmt: skip
        whole = _square(wanted, goal @ goal.T)
        return float(np.sqrt(max(lost, 0) / whole)) if whole > 0 else 0.0


def _square(coefficients: np.ndarray, products: np.ndarray) -> float:
    return float(np.einsum("nu,uv,nv->", coefficients, products, coefficients))


def make_transfer(source: Head, target: Head) -> Transfer:
    """How the source's motion is made with the target; both are subjects' own heads.

    Raises:
        HeadMismatchError: one of them has no landmarks to lay them onto each other by.
    """
    for head in (source, target):
        if len(head.landmarks68.vertices) != 68:
            raise HeadMismatchError(
                f"Motion of the head model {source.model_name} cannot be carried to "
                f"{target.model_name}: {head.model_name} has no landmarks to lay them onto each "
                "other by.",
                "Use the same head model for both, or import it again with its landmarks.",
            )
    warp = register(source, target)
    points = skin_points(target)
    carried = _carry(source, target, warp, points)  # [U_s, S, 3]
    columns = unknowns_of(target, points)  # [U_t, S, 3]
    weights = _importance(target, points)  # [S]

    flat = (columns * np.sqrt(weights)[:, None]).reshape(len(columns), -1)
    goal = (carried * np.sqrt(weights)[:, None]).reshape(len(carried), -1)
    gram, right = flat @ flat.T, flat @ goal.T
    size = np.maximum(np.diag(gram), 1e-6 * np.diag(gram).max())
    low, high = _bounds(target)
    named = named_map(source, target)
    linear = _linear_map(gram, right, size, named, _bounds(source)[0], (low, high))
    weighed = gram + RIDGE * np.diag(size)
    return Transfer(source, target, linear, weighed, low, high, columns, carried)


def _linear_map(
    gram: np.ndarray,
    right: np.ndarray,
    size: np.ndarray,
    named: np.ndarray,
    source_low: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """[U_t, U_s]: what the target does for a unit of each of the source's unknowns.

    A unit of a one-sided unknown keeps to the target's bounds; a two-sided one is free, because it
    is its sums with others that the bounds are for.
    """
    found = named.copy()
    same = named.any(0)
    soft = gram + RIDGE * np.diag(size)
    low, high = (limit.copy() for limit in bounds)
    low[-3:], high[-3:] = -np.inf, np.inf  # a unit is a radian
    for column in np.flatnonzero(same):
        pull = np.where(named[:, column] > 0, NAME_PULL, NEIGHBOUR_PULL) * size
        wanted = right[:, column] + pull * named[:, column]
        found[:, column] = _bounded(gram + np.diag(pull), wanted[:, None], low, high)[:, 0]
    one_sided = ~same & (source_low == 0)
    found[:, one_sided] = _bounded(soft, right[:, one_sided], low, high)
    free = ~same & ~one_sided
    found[:, free] = np.linalg.solve(soft, right[:, free])
    return found


def skin_points(head: Head) -> np.ndarray:
    """Vertices [S] of the face's skin, evenly thinned; the motion is compared on them."""
    face = head.vertices_in("face")
    return face[:: max(len(face) // POINTS, 1)]


def unknowns_of(head: Head, points: np.ndarray) -> np.ndarray:
    """What a unit of each coefficient and of each jaw angle does to vertices [S]: [U, S, 3] m."""
    tensors = HeadTensors.points_of(head, points)
    theta = torch.zeros(3, len(head.joints), 3)
    theta[torch.arange(3), JAW, torch.arange(3)] = JAW_STEP
    still = torch.zeros(3, len(head.expression_names))
    turned = posed_vertices(tensors, still, theta, torch.zeros(3, 3)).numpy()
    coefficients = head.expressions[:, points].astype(float)
    return np.concatenate([coefficients, (turned - head.vertices[points]) / JAW_STEP])


def named_map(source: Head, target: Head) -> np.ndarray:
    """[U_t, U_s]: what means the same by ARKit's names, and the jaw's angles.

    A shape of both sides is its left and its right one together, and each of them half of it.
    """
    names = source.expression_names
    found = np.zeros((len(target.expression_names) + 3, len(names) + 3))
    for row, name in enumerate(target.expression_names):
        for column, other in enumerate(names):
            if is_one_sided(name) and other == name:
                found[row, column] = 1
            elif is_one_sided(name) and name in (f"{other}Left", f"{other}Right"):
                found[row, column] = 1
            elif is_one_sided(name) and other in (f"{name}Left", f"{name}Right"):
                found[row, column] = 0.5
    found[-3:, -3:] = np.eye(3)
    return found


def is_one_sided(name: str) -> bool:
    """Whether a coefficient goes from 0 to 1, as ARKit's do, and not both ways."""
    return name.startswith(ARKIT_STEMS) and not name[-1].isdigit()


def _carry(source: Head, target: Head, warp: Warp, points: np.ndarray) -> np.ndarray:
    """The source's columns [U_s, S, 3] m on the target's skin, scaled as the faces differ in size.

    A point takes the motion of the nearest source skin. Lips that touch must not take each other's:
    around the mouth, what follows the jaw is looked for among what does, and the rest among it.
    """
    laid, places = warp(source.vertices), target.vertices[points]
    faces = source.skin_faces
    lower = source.skin_weights[:, JAW][faces].mean(1) > JAW_SIDE
    follows = target.skin_weights[points, JAW] > JAW_SIDE
    lips = target.landmarks68.on(target.vertices)[48:68]
    eyes = np.linalg.norm(target.joints[EYE_LEFT] - target.joints[EYE_RIGHT])
    near = np.linalg.norm(places[:, None] - lips[None], axis=-1).min(1) < MOUTH * eyes
    corners = np.empty((len(points), 3), np.int64)
    weights = np.empty((len(points), 3))
    for chosen, of in (
        (~near, faces),
        (near & follows, faces[lower]),
        (near & ~follows, faces[~lower]),
    ):
        of = of if len(of) else faces
        if chosen.any():
            face, bary, _ = closest_on(places[chosen], laid, of)
            corners[chosen], weights[chosen] = of[face], bary
    used, where = np.unique(corners, return_inverse=True)
    moves = unknowns_of(source, used)[:, where.reshape(-1, 3)]  # [U_s, S, 3 corners, 3]
    spread = [np.ptp(h.landmarks68.on(h.vertices)[17:, :2], axis=0) for h in (source, target)]
    return np.einsum("uskc,sk->usc", moves, weights) * np.sqrt(np.prod(spread[1] / spread[0]))


def _importance(head: Head, points: np.ndarray) -> np.ndarray:
    """Area weights [S], more at lips and lids: little skin, most of the expression."""
    places = head.landmarks68.on(head.vertices)
    eyes = np.linalg.norm(places[36] - places[45])
    distance = np.linalg.norm(head.vertices[points][:, None] - places[None, 36:68], axis=-1).min(1)
    area = np.zeros(len(head.vertices))
    a, b, c = (head.vertices[head.faces[:, k]] for k in range(3))
    each = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    for k in range(3):
        np.add.at(area, head.faces[:, k], each)
    weights = area[points] * (1 + 4 * np.exp(-((distance / (0.08 * eyes)) ** 2)))
    return weights / weights.sum()


def _bounds(head: Head) -> tuple[np.ndarray, np.ndarray]:
    one = np.array([is_one_sided(name) for name in head.expression_names], bool)
    high = np.where(one, MOST_ONE_SIDED, MOST_TWO_SIDED)
    low = np.where(one, 0.0, -MOST_TWO_SIDED)
    return np.r_[low, 0.0, -MOST_JAW, -MOST_JAW], np.r_[high, MOST_JAW, MOST_JAW, MOST_JAW]


def _bounded(gram: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The x [U, N] within bounds that is best for gram · x = right [U, N]: coordinate descent."""
    x = np.clip(np.linalg.solve(gram, right), low[:, None], high[:, None])
    for _ in range(SWEEPS):
        before = x.copy()
        for u in range(len(x)):
            step = (right[u] - gram[u] @ x) / gram[u, u]
            x[u] = np.clip(x[u] + step, low[u], high[u])
        if np.abs(x - before).max(initial=0) < 1e-5:
            break
    return x


def _skull_places(head: Head, theta: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Where the point between the eye joints is: [N, 3] m, world space."""
    middle = torch.from_numpy((head.joints[EYE_LEFT] + head.joints[EYE_RIGHT]) / 2)
    transforms = joint_transforms(
        torch.as_tensor(np.asarray(theta, np.float32)),
        torch.as_tensor(np.asarray(translation, np.float32)),
        torch.from_numpy(head.joints),
    )[:, NECK]
    return (transforms[..., :3] @ middle + transforms[..., 3]).numpy()
