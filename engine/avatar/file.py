# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar file: ONE safetensors file that works on another machine.

It carries the trained weights, the subject's own head, the tracked motion, the matched camera, the
training record, a thumbnail and, since schema 2, the baked preview. Tensor names: `model.*`,
`head.*`, `motion.*`, `preview.*`, `thumbnail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import AvatarError, HeadError
from ..files import read_tensors, write_tensors
from ..head.model import Head
from ..head.motion import Motion
from ..render.camera import Camera

SCHEMA_VERSION = 2
LATER_WEIGHTS = ("tracking.",)  # beginnings of names that files of schema 1 may lack: as untrained


@dataclass(frozen=True)
class AvatarFile:
    """An avatar file's content, numpy only."""

    method: str  # the deformation: "partnerface", "global" or "none"
    config: Mapping  # the model configuration, JSON
    weights: Mapping[str, np.ndarray]  # the model's parameters and buffers
    head: Head
    motion: Motion  # the tracked motion of the whole clip
    camera: Camera  # the matched camera, at the size it was trained at
    fps: float
    record: Mapping  # training record: steps, seconds, psnr, capture path, clip path …
    thumbnail: np.ndarray  # [h, w, 3] uint8
    preview: Mapping[str, np.ndarray] = field(default_factory=dict)  # of `Preview`; may be empty

    def write(self, path: Path) -> None:
        """Write the file atomically; `SpaceError` where it cannot be."""
        head_header, head_arrays = self.head.to_arrays()
        header = {
            "kind": "avatar",
            "schema_version": SCHEMA_VERSION,
            "method": self.method,
            "config": dict(self.config),
            "head": head_header,
            "camera": self.camera.to_json(),
            "fps": self.fps,
            "record": dict(self.record),
        }
        tensors = {f"model.{name}": array for name, array in self.weights.items()}
        tensors |= {f"head.{name}": array for name, array in head_arrays.items()}
        tensors |= {f"preview.{name}": array for name, array in self.preview.items()}
        tensors |= self.motion.to_arrays() | {"thumbnail": self.thumbnail}
        write_tensors(path, header, tensors)

    @classmethod
    def read(cls, path: Path) -> "AvatarFile":
        """Open an avatar file.

        Raises:
            AvatarError: missing, truncated, of a newer schema, or with numbers that are not finite.
        """
        header, tensors = migrate(*read_tensors(path, "avatar", SCHEMA_VERSION, AvatarError))
        for name, array in tensors.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise AvatarError(
                    f"The avatar {path} holds numbers that are not finite (in {name}).",
                    "Train it again, or go back to an earlier copy.",
                )
        try:
            return cls(
                method=header["method"],
                config=header["config"],
                weights=_below("model.", tensors),
                head=Head.from_arrays(header["head"], _below("head.", tensors)),
                motion=Motion.from_arrays(tensors),
                camera=Camera.from_json(header["camera"]),
                fps=float(header["fps"]),
                record=header["record"],
                thumbnail=tensors["thumbnail"],
                preview=_below("preview.", tensors),
            )
        except HeadError as error:
            raise AvatarError(
                f"The avatar {path} is damaged: {error.message}", error.hint
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise AvatarError(
                f"The avatar {path} is incomplete ({error!r}).", "Train it again."
            ) from error


def migrate(
    header: Mapping, tensors: Mapping[str, np.ndarray]
) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and tensors of any older schema as those of this one.

    Schema 1 had no preview, and the first ones of schema 2 did not say how they had been looked at:
    it is baked when it is first asked for. Options and tensors that came later and change nothing
    when they are left out (`ModelConfig`'s defaults, `LATER_WEIGHTS`) need no schema of their own.
    Two defaults do: a file whose configuration does not name `teeth` was trained without, and one
    that does not name `mask_leak` said of its masks whether there were any.
    """
    header = {**header, "schema_version": SCHEMA_VERSION}
    if isinstance(header.get("config"), Mapping):
        config = dict(header["config"])
        masks = config.pop("masks", True)
        header["config"] = {"teeth": False, "mask_leak": 0.0 if masks else 1.0, **config}
    return header, dict(tensors)


def _below(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
