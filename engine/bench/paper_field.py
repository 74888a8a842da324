# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline: the radiance field as the papers train it, on this engine's head and losses.

An 8 × 256 MLP on a frequency encoding (NeRF, as IMavatar, NerFACE and PartNerFace use it) in the
place of the hash grid; every local net asked at every sample; 64 coarse and 64 fine samples on
every ray between the bounds of the head's shell, with a field for each of the two, and no grid that
says what is empty. Posing, nearest points and inverse skinning are the engine's own: fast.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..avatar.config import ModelConfig
from ..avatar.deformation import Condition, Deformed, PartDeformation
from ..avatar.field import DENSITY_BIAS, DENSITY_LIMIT
from ..avatar.model import Avatar
from ..avatar.nets import Mlp, encode_frequencies, encoded_size
from ..devices import autocast
from ..head.model import Head
from ..kernels.compositing import composite
from ..render.posing import Pose, Poser
from ..render.sampling import Rays, Samples, frame_rows

REACH = 1.0  # m; every sample gets a nearest point, however far
FLOOR = 1e-5  # weight that each coarse interval has at least (NeRF's own code)


@dataclass(frozen=True)
class PaperConfig:
    """The baseline's sizes; the papers' where nothing else is said."""

    width: int = 256
    depth: int = 8
    octaves: int = 10
    view_octaves: int = 4
    coarse: int = 64
    fine: int = 64
    rays: int = 256  # per step; the papers take 1,024 to 4,096, which a CPU takes minutes for
    rate: float = 5e-4


class AllParts(PartDeformation):
    """The part-based deformation with every local net asked at every sample."""

    def forward(
        self, x: Tensor, frame_rows: Tensor, condition: Condition, window: float,
        labels: Tensor | None,
    ) -> Deformed:  # fmt: skip
        """See `PartDeformation.forward`."""
        count, parts = len(x), self.config.parts
        logits = self.assigner(x)
        weights = self.weights(logits, labels)  # [S, P]
        encoded = encode_frequencies(x, self.config.position_octaves, window)
        rows = torch.cat([encoded, frame_rows], 1).repeat(parts, 1)  # [P S, ·]
        local = (
            self.nets(rows, [count] * parts, self.told(condition)).float().view(parts, count, -1)
        )
        blended = torch.einsum("sp,psc->sc", weights, local)
        return Deformed(blended[:, :3] * self.config.offset_scale, blended[:, 3:], weights, logits)


class PaperField(nn.Module):
    """Position and view direction → density and colour (NeRF, fig. 7), told codes as well."""

    def __init__(self, paper: PaperConfig, model: ModelConfig) -> None:
        super().__init__()
        self.paper = paper
        inputs, width = encoded_size(paper.octaves), paper.width
        half = paper.depth // 2
        self.first = Mlp(inputs, *[width] * half)
        self.second = Mlp(width + inputs, *[width] * (paper.depth - half))
        self.density = nn.Linear(width, 1)
        told = encoded_size(paper.view_octaves) + model.ambient_size + model.appearance_size
        self.colour = Mlp(width + told, width // 2, 3)

    def forward(
        self, u: Tensor, view: Tensor, ambient: Tensor, appearance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `CanonicalField.forward`."""
        x = encode_frequencies(u * 2 - 1, self.paper.octaves)
        hidden = torch.relu(self.first(x))
        hidden = torch.relu(self.second(torch.cat([hidden, x], 1)))
        density = self.density(hidden)[:, 0].float() + DENSITY_BIAS
        seen = encode_frequencies(view, self.paper.view_octaves)
        rgb = self.colour(torch.cat([hidden, seen, ambient, appearance], 1))
        return torch.exp(density.clamp(max=DENSITY_LIMIT)), torch.sigmoid(rgb.float())


@dataclass(frozen=True)
class Shaded:
    """What a pass over R rays of K samples each found."""

    colour: Tensor  # [R, 3] premultiplied
    alpha: Tensor  # [R]
    weights: Tensor  # [R K]
    samples: Samples
    deformed: Deformed


class PaperAvatar:
    """An avatar of the engine with the papers' deformation and fields in it."""

    def __init__(self, paper: PaperConfig, model: ModelConfig, head: Head, device: torch.device):
        self.paper = paper
        self.avatar = Avatar(model, head, device)
        self.avatar.deformation = AllParts(model, head, self.avatar.partition).to(device)
        self.coarse, self.fine = (PaperField(paper, model).to(device) for _ in range(2))
        self.poser = Poser(self.avatar)

    def parameters(self) -> list[nn.Parameter]:
        """All that is trained."""
        nets = (self.avatar.deformation, self.coarse, self.fine)
        return [parameter for net in nets for parameter in net.parameters()]

    def shade(
        self, pose: Pose, rays: Rays, condition: Condition, *, training: bool
    ) -> tuple[Shaded, Shaded]:
        """Coarse and fine: the second pass samples where the first found something.

        Args:
            pose: N frames.
            rays: R rays.
            condition: of the N frames.
            training: stage one, so that samples are jittered and belong to one part each.
        """
        near, far = bounds(pose.vertices, rays, self.avatar.config.shell)
        middle = (torch.arange(self.paper.coarse, device=near.device) + 0.5) / self.paper.coarse
        jitter = torch.rand(len(near), self.paper.coarse, device=near.device) - 0.5
        at = middle + jitter * training / self.paper.coarse
        t = near[:, None] + (far - near)[:, None] * at  # [R, K] m
        coarse = self._pass(self.coarse, pose, rays, t, condition, hard=training)
        more = finer(t, coarse.weights.view(t.shape), self.paper.fine)
        both = torch.cat([t, more], 1).sort(1).values
        return coarse, self._pass(self.fine, pose, rays, both, condition, hard=training)

    def _pass(
        self, field: PaperField, pose: Pose, rays: Rays, t: Tensor, condition: Condition, *,
        hard: bool,
    ) -> Shaded:  # fmt: skip
        """One pass with samples at t [R, K] m."""
        samples, near = self._samples(pose, rays, t)
        labels = samples.surface_part.argmax(1) if hard else None
        self.avatar.field = field
        with autocast(t.device):
            found = self.avatar.evaluate(
                samples.x_canonical, samples.view, frame_rows(samples.frame, len(pose.vertices)),
                condition, labels,
            )  # fmt: skip
        optical = found.sigma * near * samples.length
        colour, alpha, weights = composite(optical, found.rgb, samples.ray_start, samples.ray_count)
        return Shaded(colour, alpha, weights, samples, found.deformed)

    def _samples(self, pose: Pose, rays: Rays, t: Tensor) -> tuple[Samples, Tensor]:
        """Samples at t [R, K] m, and whether [R K] each lies in the shell."""
        count, each = t.shape
        ray = torch.arange(count, device=t.device).repeat_interleave(each)
        flat, frame = t.flatten(), rays.frame[ray]
        x = rays.origins[ray] + flat[:, None] * rays.directions[ray]
        face, bary, distance = self.poser.meshes.nearest(x, frame, REACH)
        face = face.clamp_min(0)
        x_canonical, turn = self.poser.unpose(pose, x, frame, face, bary)
        view = (turn @ rays.directions[ray][..., None])[..., 0]
        corners = self.avatar.skin.faces[face.long()].long()
        length = torch.diff(t, dim=1, append=2 * t[:, -1:] - t[:, -2:-1])  # [R, K] of t
        along = rays.directions.norm(dim=1)[:, None]  # m of the ray for each m of depth
        samples = Samples(
            ray_index=ray.int(), t=flat, length=(length * along).flatten(), frame=frame,
            x_canonical=x_canonical, view=nn.functional.normalize(view, dim=1),
            surface_part=(bary[..., None] * self.avatar.surface_parts[corners]).sum(1),
            ray_start=(torch.arange(count, device=t.device) * each).int(),
            ray_count=torch.full((count,), each, dtype=torch.int32, device=t.device),
        )  # fmt: skip
        return samples, (distance < self.avatar.config.shell).float()


def bounds(vertices: Tensor, rays: Rays, shell: float) -> tuple[Tensor, Tensor]:
    """Where rays [R] enter and leave the box of their posed head's shell, m of camera depth."""
    frame = rays.frame.long()
    low = (vertices.amin(1) - shell)[frame]  # [R, 3]
    high = (vertices.amax(1) + shell)[frame]
    walls = torch.stack([low - rays.origins, high - rays.origins]) / rays.directions
    near = walls.amin(0).amax(1).clamp_min(0)
    far = walls.amax(0).amin(1)
    return near, torch.maximum(far, near + 1e-3)  # a ray that misses it gets a short useless piece


def finer(t: Tensor, weights: Tensor, count: int) -> Tensor:
    """`count` depths [R, count] m more, drawn evenly from the weights [R, K] (NeRF §5.2)."""
    edges = (t[:, 1:] + t[:, :-1]) / 2  # [R, K − 1]
    share = weights.detach()[:, 1:-1] + FLOOR  # [R, K − 2] of the intervals between edges
    total = torch.cumsum(share, 1) / share.sum(1, keepdim=True)
    total = torch.cat([torch.zeros_like(total[:, :1]), total], 1)  # [R, K − 1]
    wanted = (torch.arange(count, device=t.device) + 0.5) / count
    wanted = wanted.expand(len(t), count).contiguous()
    right = torch.searchsorted(total, wanted, right=True).clamp(1, total.shape[1] - 1)
    left = right - 1
    span = (total.gather(1, right) - total.gather(1, left)).clamp_min(1e-9)
    part = (wanted - total.gather(1, left)) / span
    a, b = edges.gather(1, left), edges.gather(1, right)
    return a + part.clamp(0, 1) * (b - a)
