# SPDX-License-Identifier: GPL-3.0-or-later
"""The derivatives that the fit steps by, against finite differences of what it sees."""

from dataclasses import replace

import torch

from engine.capture.unknowns import OWN, Subject, rotation_vectors, turn_between
from engine.head.model import JAW
from engine.head.skinning import posed_vertices, rotation_matrix

STEP = 1e-5


def test_own_derivatives(landmark_scene):
    points, frames, subject = landmark_scene
    view, own = points.derivatives(frames, subject)
    for column in [*range(OWN), OWN, OWN + 11, own.shape[-1] - 1]:
        step = torch.zeros(len(frames), own.shape[-1], dtype=torch.float64)
        step[:, column] = STEP
        ahead = points.view(frames.moved(step), subject).pixels
        behind = points.view(frames.moved(-step), subject).pixels
        found = (ahead - behind) / (2 * STEP)
        # The place in the picture moves the slide too, by next to nothing.
        most = float(found.abs().max())
        torch.testing.assert_close(own[..., column], found, rtol=2e-3, atol=2e-2 * most)
    torch.testing.assert_close(view.pixels, points.view(frames, subject).pixels)


def test_shared_derivatives(landmark_scene):
    points, frames, subject = landmark_scene
    points = replace(points, slide=None)  # it moves a little with the focal length
    view, whole = points.derivatives(frames, subject, shared=True)
    own, shared = whole.tensor_split([-len(subject.beta) - 1], -1)
    torch.testing.assert_close(own, points.derivatives(frames, subject)[1])
    seen_again, by_offset = points.by_rest(frames, subject)
    torch.testing.assert_close(seen_again.pixels, view.pixels)

    def seen(beta=0.0, focal=0.0, offset=0.0):
        moved = Subject(subject.beta + beta, subject.log_focal + focal, subject.offset + offset)
        return points.view(frames, moved).pixels

    for mode in (0, 5, shared.shape[-1] - 2):
        step = torch.zeros_like(subject.beta)
        step[mode] = STEP
        found = (seen(beta=step) - seen(beta=-step)) / (2 * STEP)
        torch.testing.assert_close(shared[..., mode], found, rtol=1e-4, atol=1e-4)
    found = (seen(focal=STEP) - seen(focal=-STEP)) / (2 * STEP)
    most = float(found.abs().max())
    torch.testing.assert_close(shared[..., -1], found, rtol=2e-3, atol=2e-2 * most)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = STEP
        found = (seen(offset=step) - seen(offset=-step)) / (2 * STEP)
        torch.testing.assert_close(by_offset[..., axis], found, rtol=1e-4, atol=1e-3)


def test_points_are_where_the_whole_head_has_them(landmark_scene):
    points, frames, subject = landmark_scene
    points = replace(points, slide=None)
    theta = torch.zeros(len(frames), 5, 3, dtype=torch.float64)
    theta[:, JAW] = frames.jaw
    head = points.head.subject(subject.beta, subject.offset)
    posed = posed_vertices(head, frames.psi, theta, torch.zeros_like(frames.jaw))
    turned = (posed - points.middle) @ frames.rotation.transpose(1, 2)
    torch.testing.assert_close(
        points.view(frames, subject).turned, turned, rtol=0, atol=1e-7
    )  # weights add up to one nearly


def test_rotation_vectors_undo_rotation_matrix():
    turns = torch.tensor([[0.0, 0.0, 0.0], [1e-5, 0.0, 0.0], [0.3, -0.2, 1.0], [0.0, 2.9, 0.1]],
                         dtype=torch.float64)  # fmt: skip
    torch.testing.assert_close(rotation_vectors(rotation_matrix(turns)), turns)
    between = turn_between(rotation_matrix(turns[2:3]), rotation_matrix(turns[3:4]))
    whole = rotation_matrix(between) @ rotation_matrix(turns[2:3])
    torch.testing.assert_close(whole, rotation_matrix(turns[3:4]))
