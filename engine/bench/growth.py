# SPDX-License-Identifier: GPL-3.0-or-later
"""How time grows with the number of parts and with the size of the mesh.

Variants of one avatar are measured in turn, round after round, and the fastest of each counts, so
that a machine that slows down meanwhile slows all of them.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..adam import Adam
from ..avatar.model import Avatar
from ..avatar.partition import divide
from ..head.skinning import HeadTensors, canonical_vertices
from ..jobs import Job
from ..train.frames import TrainingFrames
from ..train.settings import TrainSettings
from .clocks import seconds_of
from .meshes import with_vertices
from .subject import Subject, sized
from .training import copy_of, late_run, steps_of

FIT_STEPS, FIT_POINTS = 80, 4096
AROUND = 0.006  # m, how far from the skin the assigner learns its parts


def by_parts(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, parts: Sequence[int],
    size: int, rounds: int, job: Job,
) -> list[dict[str, float]]:  # fmt: skip
    """Seconds of an exact frame and of a training step with each number of local nets.

    The field, the occupancy and the frame stay; the local nets are new ones, and the assigner is
    fitted to the head's own partition, so that the samples spread over the nets as they should.
    """
    variants = {count: subject.of(with_parts(subject.avatar, count)) for count in parts}
    return [
        {"parts": count, **figures}
        for count, figures in _in_turn(variants, settings, frames, size, rounds, job).items()
    ]


def by_mesh(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, vertices: Sequence[int],
    size: int, rounds: int, job: Job,
) -> list[dict[str, float]]:  # fmt: skip
    """Seconds of an exact frame and of a training step with each size of the head's mesh."""
    variants = {}
    for count in vertices:
        head = with_vertices(subject.avatar.head, count)
        variants[count] = subject.of(copy_of(subject.avatar, head))
    return [
        {"vertices": count, **figures}
        for count, figures in _in_turn(variants, settings, frames, size, rounds, job).items()
    ]


def _in_turn(
    variants: dict[int, Subject], settings: TrainSettings, frames: TrainingFrames,
    size: int, rounds: int, job: Job,
) -> dict[int, dict[str, float]]:  # fmt: skip
    found: dict[int, dict[str, list[float]]] = {n: {"frame": [], "step": []} for n in variants}
    runs = {
        n: late_run(settings, frames, subject.avatar) for n, subject in variants.items()
    }  # each goes on where it stopped
    for subject in variants.values():
        subject.render(sized(subject.camera, size, size))
    for _ in range(rounds):
        for n, subject in variants.items():
            camera = sized(subject.camera, size, size)
            device = subject.avatar.device
            found[n]["frame"].append(seconds_of(lambda s=subject, c=camera: s.render(c), device))
            found[n]["step"] += steps_of(runs[n], job, warm=2, measured=3)[0]
    return {
        n: {"frame_s": min(times["frame"]), "step_s": min(times["step"])}
        for n, times in found.items()
    }


def growth(rows: Sequence[dict[str, float]]) -> float:
    """By how much the last row costs more than the first: the worse of frame and step."""
    return max(rows[-1][name] / rows[0][name] for name in ("frame_s", "step_s"))


def with_parts(avatar: Avatar, parts: int) -> Avatar:
    """The avatar with `parts` new local nets, and an assigner that knows the head's partition."""
    torch.manual_seed(parts)
    variant = Avatar(replace(avatar.config, parts=parts), avatar.head, avatar.device)
    for name in ("field", "occupancy", "tracking"):
        getattr(variant, name).load_state_dict(getattr(avatar, name).state_dict())
    variant.mean_code.copy_(avatar.mean_code)
    variant.mean_appearance.copy_(avatar.mean_appearance)
    variant.file = avatar.file
    head = HeadTensors.of(avatar.head, avatar.device)
    weights = torch.from_numpy(divide(avatar.head, parts).weights).to(avatar.device)  # [V, P]
    x = variant.unit(canonical_vertices(head)) * 2 - 1  # [V, 3]
    assigner = variant.deformation.assigner
    optimiser = Adam(assigner.parameters(), lr=1e-2)
    for _ in range(FIT_STEPS):
        rows = torch.randint(len(x), (FIT_POINTS,), device=x.device)
        noise = torch.randn(FIT_POINTS, 3, device=x.device) * 2 * AROUND / variant.size
        logits = assigner(x[rows] + noise)
        loss = -(weights[rows] * torch.log_softmax(logits, 1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return variant.eval().requires_grad_(False)
