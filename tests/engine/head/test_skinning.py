# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from engine.head.model import CANONICAL_JAW, JOINT_PARENTS, JOINTS, PARTS
from engine.head.skinning import (
    HeadTensors,
    canonical_vertices,
    posed_vertices,
    rotation_matrix,
    smooth_labels,
    vertex_offsets,
)


def brute_force(head, psi, theta, translation):
    """One frame by 4 × 4 matrices, vertex by vertex and joint by joint: [V, 3]."""
    rest = head.vertices.astype(float).copy()
    for e, coefficient in enumerate(psi):
        rest += coefficient * head.expressions[e].astype(float)
    rotations = Rotation.from_rotvec(theta).as_matrix()
    bend = (rotations[1:] - np.eye(3)).reshape(-1)
    joints = head.joints.astype(float)
    if head.joint_expressions is not None:
        joints = joints + np.tensordot(psi, head.joint_expressions.astype(float), 1)
    for k, index in enumerate(head.corrective_index):
        rest += bend[index] * head.correctives[k].astype(float)

    def shift(by):
        matrix = np.eye(4)
        matrix[:3, 3] = by
        return matrix

    world = []
    for j, parent in enumerate(JOINT_PARENTS):
        turn = np.eye(4)
        turn[:3, :3] = rotations[j]
        if parent < 0:
            world.append(shift(joints[j]) @ turn)
        else:
            world.append(world[parent] @ shift(joints[j] - joints[parent]) @ turn)

    posed = np.zeros_like(rest)
    for v in range(len(rest)):
        for j in range(len(JOINTS)):
            place = world[j] @ shift(-joints[j]) @ np.append(rest[v], 1)
            posed[v] += head.skin_weights[v, j] * place[:3]
        posed[v] += translation
    return posed


def in_double(head) -> HeadTensors:
    tensors = HeadTensors.of(head)
    floats = {
        field.name: getattr(tensors, field.name).double()
        for field in fields(tensors)
        if torch.is_tensor(tensor := getattr(tensors, field.name)) and tensor.is_floating_point()
    }
    return replace(tensors, **floats)


def frames(head, count=3, seed=0):
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=(count, len(head.expression_names)))
    theta = rng.normal(size=(count, len(JOINTS), 3)) * 0.8
    return psi, theta, rng.normal(size=(count, 3))


def test_posed_vertices_equal_brute_force(random_head):
    psi, theta, translation = frames(random_head)
    posed = posed_vertices(
        in_double(random_head), *map(torch.from_numpy, (psi, theta, translation))
    )
    for n in range(len(psi)):
        truth = brute_force(random_head, psi[n], theta[n], translation[n])
        assert np.abs(posed[n].numpy() - truth).max() < 1e-6


def test_joints_may_follow_the_expression(random_head):
    moves = np.random.default_rng(8).normal(size=(3, len(JOINTS), 3)).astype(np.float32)
    head = replace(random_head, joint_expressions=moves)
    psi, theta, translation = frames(head)
    posed = posed_vertices(in_double(head), *map(torch.from_numpy, (psi, theta, translation)))
    for n in range(len(psi)):
        truth = brute_force(head, psi[n], theta[n], translation[n])
        assert np.abs(posed[n].numpy() - truth).max() < 1e-6


def test_single_precision_is_precise_enough(random_head):
    psi, theta, translation = (a.astype(np.float32) for a in frames(random_head))
    posed = posed_vertices(
        HeadTensors.of(random_head), *map(torch.from_numpy, (psi, theta, translation))
    )
    truth = brute_force(random_head, psi[0], theta[0], translation[0])
    assert np.abs(posed[0].numpy() - truth).max() < 1e-5


def test_rest_pose_gives_the_neutral_vertices_exactly(random_head):
    tensors = HeadTensors.of(random_head)
    posed = posed_vertices(tensors, torch.zeros(1, 3), torch.zeros(1, 5, 3), torch.zeros(1, 3))
    assert np.abs(posed[0].numpy() - random_head.vertices).max() < 1e-6


@pytest.mark.parametrize("size", [0.0, 1e-7, 5e-5, 1e-4, 2e-4, 1e-2, 3.1])
def test_rotation_matrix_is_right_at_any_angle(size):
    axis = np.array([0.3, -0.5, 0.81])
    vector = size * axis / np.linalg.norm(axis)
    found = rotation_matrix(torch.from_numpy(vector)).numpy()
    assert np.abs(found - Rotation.from_rotvec(vector).as_matrix()).max() < 1e-12


@pytest.mark.parametrize("size", [0.0, 1e-5, 0.7])
def test_rotation_matrix_gradient(size):
    vector = torch.tensor([[0.3, -0.5, 0.81], [0.0, 0.0, 1.0]], dtype=torch.float64) * size
    vector.requires_grad_()
    assert torch.autograd.gradcheck(rotation_matrix, (vector,))


@pytest.mark.parametrize("still", [False, True])
def test_gradients_of_all_parameters(random_head, still):
    tensors = in_double(random_head)
    psi, theta, translation = (torch.from_numpy(a[:1]) for a in frames(random_head))
    if still:
        theta = torch.zeros_like(theta)
    inputs = [a.clone().requires_grad_() for a in (psi, theta, translation)]
    assert torch.autograd.gradcheck(lambda *a: posed_vertices(tensors, *a), inputs)


def test_psi_per_part_equals_whole_psi_when_all_parts_agree(random_head):
    tensors = in_double(random_head)
    psi, theta, _ = (torch.from_numpy(a) for a in frames(random_head))
    per_part = psi[:, None].expand(-1, len(PARTS), -1)
    assert torch.allclose(
        vertex_offsets(tensors, per_part, theta), vertex_offsets(tensors, psi, theta)
    )


def test_psi_of_one_part_moves_that_part_alone(random_head):
    part = np.where(np.arange(14) < 7, 0, 5).astype(np.uint8)
    tensors = in_double(replace(random_head, vertex_part=part))
    tensors = replace(
        tensors,
        part_weights=torch.eye(len(PARTS), dtype=torch.float64)[torch.from_numpy(part).long()],
    )
    psi = torch.zeros(1, len(PARTS), 3, dtype=torch.float64)
    psi[:, 5] = 1
    offsets = vertex_offsets(tensors, psi, torch.zeros(1, 5, 3, dtype=torch.float64))[0]
    assert (offsets[:7] == 0).all()
    expected = random_head.expressions.astype(float).sum(0)[7:]
    assert np.allclose(offsets[7:].numpy(), expected)


def test_part_weights_are_smooth_and_sum_to_one(random_head):
    weights = HeadTensors.of(random_head).part_weights
    assert torch.allclose(weights.sum(1), torch.ones(14), atol=1e-6)
    assert weights.max() < 1


@pytest.mark.parametrize("faces", [14, 9, 0])  # closed, with a border and lone vertices, none
def test_seams_are_smoothed_by_the_mean_of_a_vertex_and_its_neighbours(random_head, faces):
    head, labels = replace(random_head, faces=random_head.faces[:faces]), np.arange(14) % 3
    near = []
    for vertex in range(14):
        touching = (head.faces == vertex).any(1)
        near.append(np.unique([vertex, *head.faces[touching].ravel()]))
    wanted = np.eye(3)[labels]
    for _ in range(2):
        wanted = np.stack([wanted[rows].mean(0) for rows in near])
    np.testing.assert_allclose(smooth_labels(head, labels, 3, rounds=2), wanted, atol=1e-6)


def test_correctives_follow_their_entry_of_the_rotations(random_head):
    tensors = in_double(random_head)
    theta = torch.zeros(1, 5, 3, dtype=torch.float64)
    theta[0, 2, 0] = 0.4  # the jaw about x: entry 16 is its sine, and no other is listed
    offsets = vertex_offsets(tensors, torch.zeros(1, 3, dtype=torch.float64), theta)[0].numpy()
    assert np.allclose(offsets, np.sin(0.4) * random_head.correctives[1].astype(float))


def test_canonical_pose_opens_the_jaw(random_head):
    theta = np.zeros((5, 3))
    theta[2, 0] = CANONICAL_JAW
    truth = brute_force(random_head, np.zeros(3), theta, np.zeros(3))
    assert np.abs(canonical_vertices(HeadTensors.of(random_head)).numpy() - truth).max() < 1e-5
