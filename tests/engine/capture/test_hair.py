# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair from outlines, and the pose that outlines tell: a head whose masks are known exactly."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from engine.capture.chain import Chain
from engine.capture.crop import Crop
from engine.capture.hair import MOST, Hair
from engine.capture.landmark_head import LandmarkHead
from engine.capture.landmark_rows import Points
from engine.capture.outline import (
    MASK_SIZE,
    SIZE,
    Outlines,
    OutlineTerms,
    outside_distance,
    outwards,
    points_at,
)
from engine.capture.priors import Priors
from engine.capture.unknowns import Frames, Subject
from engine.head.skinning import rotation_matrix

SIDE, FOCAL, COUNT = 480, 700.0, 25  # px, px, frames
CURLS = 0.02  # m


@pytest.fixture(scope="module")
def still(generic_model):
    """Points of the landmarks, frames of a head that turns and nods, and its subject: the mean."""
    head = LandmarkHead.of(generic_model, generic_model.mean.landmarks468, torch.device("cpu"))
    up, aside = np.meshgrid(np.linspace(-0.3, 0.3, 5), np.linspace(-0.6, 0.6, 5))
    turn = torch.tensor(np.stack([up.ravel(), aside.ravel(), 0 * up.ravel()], 1)).float()
    frames = Frames(
        rotation=rotation_matrix(turn),
        place=torch.tensor([[0.0, -40.0]]).repeat(COUNT, 1),
        size=torch.full((COUNT,), -6.8),
        jaw=torch.zeros(COUNT, 3),
        psi=torch.zeros(COUNT, len(generic_model.mean.expression_names)),
    )
    subject = Subject(torch.zeros(len(generic_model.identities)), torch.tensor(FOCAL).log(),
                      torch.zeros(468, 3))  # fmt: skip
    return Points.of(head), frames, subject


def outlines_of(model, still, hair):
    """Terms for the masks of the head [V, 3] m wider by `hair`."""
    points, frames, subject = still
    every = LandmarkHead.of(model, points_at(np.arange(len(model.mean.vertices))),
                            torch.device("cpu"))  # fmt: skip
    whole = Points(every, points.middle, points.eye_distance)
    offset = torch.as_tensor(hair[:, None] * outwards(model)).float()
    pixels = whole.view(frames, replace(subject, offset=offset)).pixels.numpy() + SIDE / 2
    maps = []
    for frame in pixels * MASK_SIZE / SIDE - 0.5:  # a pixel's middle is half a pixel from its edge
        mask = np.zeros((MASK_SIZE, MASK_SIZE), np.float32)
        for face in np.round(frame[model.mean.skin_faces] * 16).astype(np.int32):
            cv2.fillConvexPoly(mask, face, 1.0, shift=4)
        maps.append(outside_distance(mask))
    centre = torch.full((2,), SIDE / 2)
    outlines = Outlines(np.stack(maps), Crop(0, 0, SIDE, SIZE))
    return OutlineTerms.of(outlines, model, points, centre, Priors())


@pytest.fixture(scope="module")
def curls(generic_model):
    """[V] m: hair that grows thicker with the way from the face's edge."""
    head, hair = generic_model.mean, np.zeros(len(generic_model.mean.vertices), np.float32)
    scalp = head.vertices_in("scalp")
    high = head.vertices[scalp, 1]
    hair[scalp] = CURLS * ((high - high.min()) / np.ptp(high)).clip(0, 0.5) / 0.5
    return hair


def test_hair_is_found_where_it_is(generic_model, still, curls):
    terms = outlines_of(generic_model, still, curls)
    found = Hair.of(generic_model).fit(terms, generic_model, *still[1:])
    head = generic_model.mean
    full = head.vertices_in("scalp")[curls[head.vertices_in("scalp")] == CURLS]
    assert np.median(found[full]) == pytest.approx(CURLS, abs=0.004)
    assert np.abs(found[head.vertices_in("face", "neck")]).max() == 0
    marks = head.landmarks468.vertices[head.landmarks468.weights > 0]
    assert np.abs(found[marks]).max() == 0  # or they would no longer be where the face has them
    assert found.max() <= MOST


def test_a_bald_head_has_no_hair(generic_model, still):
    terms = outlines_of(generic_model, still, np.zeros(len(generic_model.mean.vertices)))
    found = Hair.of(generic_model).fit(terms, generic_model, *still[1:])
    assert np.abs(found[generic_model.mean.vertices_in("scalp")]).mean() < 0.0015


def test_outlines_tell_the_pose(generic_model, still, curls):
    _, frames, subject = still
    terms = outlines_of(generic_model, still, curls).with_hair(curls, outwards(generic_model))
    names = generic_model.mean.expression_names
    chain = Chain.of(replace(Priors(), smooth_rotation=0.0), np.arange(COUNT), names)
    nod = torch.tensor([[0.07, 0.05, 0.04]])  # rad, in all frames: what smoothness cannot see
    wrong = replace(frames, rotation=rotation_matrix(nod) @ frames.rotation)
    righted = chain.settle(wrong, subject, [terms], 12, lambda: None, free=slice(0, 6))

    def away(some):
        between = some.rotation @ frames.rotation.transpose(1, 2)
        cosine = (between.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
        return float(cosine.clamp(-1, 1).acos().mean())

    assert away(righted) < 0.35 * away(wrong)
