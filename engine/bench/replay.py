# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels on another device: they give there what they give on the CPU.

The calls of a real frame and of a real training step are recorded, then each is replayed on both
devices with the same tensors, its gradients as well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace

import torch
import warp as wp
from torch import Tensor

from ..avatar.model import Avatar
from ..jobs import Job
from ..kernels.compositing import composite
from ..kernels.foretelling import foretell, judge_cells
from ..kernels.hash_grid import hash_encode
from ..kernels.inverse_skinning import inverse_skin
from ..kernels.landing import PosedHeads, land_steps
from ..kernels.lattice import interpolate
from ..kernels.marching import march
from ..kernels.nearest import PosedMeshes
from ..kernels.posed_cells import PosedCells, land
from ..kernels.preview import march_preview
from ..train.frames import TrainingFrames
from ..train.settings import TrainSettings
from .rendering import QUALITIES
from .subject import Subject, sized
from .swapping import places_of, swapped
from .training import late_run, steps_of

# kernel → the arguments that it has gradients to
KERNELS: dict[Callable, tuple[int, ...]] = {
    march: (),
    composite: (0, 1),
    hash_encode: (0, 1),
    inverse_skin: (0, 6, 8),
    interpolate: (),
    foretell: (),
    judge_cells: (),
    land: (),
    land_steps: (),
    march_preview: (),
}
CLOSE = 1e-3  # of the largest value; farther off counts as different
FEW = 0.005  # share of values that may be: rounding may put a sample on either side of a wall
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Replayed:
    """One kernel on both devices."""

    kernel: str
    values: int  # compared, gradients included
    different: float  # share of them

    @property
    def agrees(self) -> bool:
        """Whether the devices do."""
        return self.values > 0 and self.different < FEW


def replay(
    subject: Subject, settings: TrainSettings, frames: TrainingFrames, device: torch.device,
    size: int, job: Job,
) -> list[Replayed]:  # fmt: skip
    """Replay a frame's and a step's kernels on the device; the subject lies on the CPU."""
    with recorded() as calls:
        for quality in QUALITIES:
            subject.render(sized(subject.camera, size, size), quality)
        steps_of(late_run(settings, frames, subject.avatar), job, warm=0, measured=1)
    found = [
        _compared(kernel, calls[kernel], device, gradients)
        for kernel, gradients in KERNELS.items()
        if kernel in calls
    ]
    return [*found, nearest_compared(subject.avatar, device)]


@contextmanager
def recorded() -> Iterator[dict[Callable, tuple]]:
    """The arguments of each kernel's largest call within the context, on the CPU."""
    calls: dict[Callable, tuple] = {}

    def watched(kernel: Callable) -> Callable:
        def run(*arguments: object) -> object:
            if len(arguments[0]) > len(calls.get(kernel, ((),))[0]):
                calls[kernel] = moved(arguments, CPU)
            return kernel(*arguments)

        return run

    watches = {kernel: watched(kernel) for kernel in KERNELS}
    with swapped(*((o, n, watches[k]) for k in KERNELS for o, n in places_of(k))):
        yield calls


def _compared(
    kernel: Callable, arguments: tuple, device: torch.device, gradients: tuple[int, ...]
) -> Replayed:
    """Values and gradients of one call on the CPU and on the device."""
    ours, theirs = (_results(kernel, arguments, place, gradients) for place in (CPU, device))
    if any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        ours, theirs = ours[-1:], theirs[-1:]  # marching: other samples; compare counts per ray
    return share_off(kernel.__name__, ours, theirs)


def _results(
    kernel: Callable, arguments: tuple, device: torch.device, gradients: tuple[int, ...]
) -> list[Tensor]:
    inputs = list(moved(arguments, device))
    for index in gradients:
        inputs[index] = inputs[index].requires_grad_()
    outputs = kernel(*inputs)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    results = [output.detach().cpu() for output in outputs]
    if gradients:
        total = sum(
            (o * torch.sin(torch.arange(o.numel(), device=device)).view(o.shape)).sum()
            for o in outputs
            if o.requires_grad
        )
        found = torch.autograd.grad(total, [inputs[index] for index in gradients])
        results += [gradient.cpu() for gradient in found]
    return results


def nearest_compared(avatar: Avatar, device: torch.device) -> Replayed:
    """Distances from points around the skin to it."""
    vertices, faces = avatar.skin.vertices.cpu(), avatar.skin.faces.cpu()
    noise = torch.randn(len(vertices), 3, generator=torch.Generator().manual_seed(0))
    x, frame = vertices + 0.01 * noise, torch.zeros(len(vertices), dtype=torch.int32)
    found = []
    for place in (CPU, device):
        meshes = PosedMeshes(faces.to(place), place)
        meshes.pose(vertices[None].to(place))
        found.append([meshes.nearest(x.to(place), frame.to(place), 0.05)[2].cpu()])
    return share_off("nearest", *found)


def share_off(name: str, ours: list[Tensor], theirs: list[Tensor]) -> Replayed:
    """How many of the values differ; what is not finite must be the same on both sides."""
    count, off = 0, 0
    for a, b in zip(ours, theirs, strict=True):
        finite = a.double()[a.isfinite()]
        scale = finite.abs().max().clamp_min(1e-12) if len(finite) else 1.0
        count += a.numel()
        close = torch.isclose(
            a.double(), b.double(), rtol=0, atol=CLOSE * float(scale), equal_nan=True
        )
        off += int((~close).sum())
    return Replayed(name, count, off / max(count, 1))


def moved(value: object, device: torch.device) -> object:
    """The value with all of its tensors on the device."""
    if isinstance(value, Tensor):
        return value.detach().to(device)
    if isinstance(value, tuple):
        return tuple(moved(part, device) for part in value)
    if isinstance(value, PosedCells):
        points = wp.from_torch(value.vertices.detach().to(device).contiguous(), dtype=wp.vec3)
        indices = wp.from_torch(value.faces.to(device).contiguous().flatten(), dtype=wp.int32)
        value = replace(value, mesh=wp.Mesh(points=points, indices=indices))
    if isinstance(value, PosedHeads):
        meshes = PosedMeshes(value.faces.to(device), device)
        meshes.pose(value.vertices.to(device))
        value = replace(value, meshes=meshes)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: moved(getattr(value, f.name), device) for f in fields(value)}
        )
    return value
