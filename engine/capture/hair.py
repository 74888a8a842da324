# SPDX-License-Identifier: GPL-3.0-or-later
"""How far this subject's hair stands off the skull: what outlines show and identity cannot.

Every vertex of scalp and ears moves outwards (ears and thin hair a little inwards) until the head's
outline in the key frames is the masks'. Neighbours move alike, so that what no frame shows from the
side follows from what is around it, and nothing moves where face and neck begin. Trackers of the
field call such a shape a static offset. V vertices, M of them free to move, S points of the
outline.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from ..head.model import HeadModel
from .outline import OutlineTerms, outwards
from .unknowns import Frames, Subject

ROUNDS = 10
LEAST, MOST = -0.008, 0.06  # m
ALIKE = 200.0  # (percent/m)², on squared differences across an edge, for each key frame
SMOOTH = 3e3  # the same on squared differences from the neighbours' mean: no spikes
THIN = 5.0  # the same on squared offsets


@dataclass(frozen=True)
class Hair:
    """The vertices of a head model that hair covers, and how they hang together."""

    free: np.ndarray  # [M] which of the V vertices
    prior: sparse.csr_matrix  # [M, M], for one key frame

    @classmethod
    def of(cls, model: HeadModel) -> "Hair":
        """Scalp and ears, but for the vertices that landmarks lie on."""
        head = model.mean
        marks = [points.vertices[points.weights > 0]
                 for points in (head.landmarks68, head.landmarks468)]  # fmt: skip
        faces = head.skin_faces
        skull = np.intersect1d(head.vertices_in("scalp", "ear"), faces)
        free = np.setdiff1d(skull, np.concatenate(marks))
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        edges = np.unique(np.sort(edges, 1), axis=0)
        column = np.full(len(head.vertices), -1)
        column[free] = np.arange(len(free))
        edges = edges[(column[edges] >= 0).any(1)]
        length = np.linalg.norm(np.diff(head.vertices[edges], axis=1)[:, 0], axis=1)
        at, row = column[edges], np.arange(len(edges))[:, None].repeat(2, 1)
        sign = np.array([[1.0, -1.0]]) * np.sqrt(np.median(length) / length.clip(1e-5))[:, None]
        some = at >= 0
        apart = sparse.csr_matrix((sign[some], (row[some], at[some])), (len(edges), len(free)))
        tied = apart.T @ apart
        bend = sparse.diags(1 / tied.diagonal()) @ tied  # what a vertex has beyond its neighbours
        prior = ALIKE * tied + SMOOTH * bend.T @ bend + THIN * sparse.eye(len(free))
        return cls(free, prior.tocsr())

    def fit(
        self, terms: OutlineTerms, model: HeadModel, frames: Frames, subject: Subject
    ) -> np.ndarray:
        """How far the vertices stand off the skull: [V] m along `outwards`, 0 where none moves.

        Args:
            terms: of the key frames.
            model: the head model.
            frames: where the key frames' heads are.
            subject: whose.
        """
        direction, hair = outwards(model), np.zeros(len(model.mean.vertices))
        column = np.full(len(hair), -1)
        column[self.free] = np.arange(len(self.free))
        at = column[terms.vertices]
        prior = len(frames) * self.prior
        for _ in range(ROUNDS):
            rim = terms.with_hair(hair, direction).near(frames, subject)
            curvature, slope = rim.along(direction[terms.vertices], frames, subject)
            matrix, gradient = (np.bincount(at[at >= 0], one[at >= 0], len(self.free))
                                for one in (curvature, slope))  # fmt: skip
            now = hair[self.free]
            step = spsolve((prior + sparse.diags(matrix)).tocsc(), -(gradient + prior @ now))
            hair[self.free] = np.clip(now + step, LEAST, MOST)
        return hair.astype(np.float32)
