# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interactive engine keeps between requests: the device, and the avatars that are open.

    open_avatar   path                        → header and arrays of `describe`
    render        avatar, camera, quality, planes, look; psi, theta, translation
                                              → combined, depth, parts, normal (those asked for)
    look          key; axis, shown            → nothing; renders may name the key from here on
    open_motion   path, avatar                → fps; motion.psi, motion.theta, motion.translation
                                                for that avatar's head, motion.seconds
    close_avatar  avatar                      → nothing

`look` of a render is null, or an object of key (null for sRGB's own curve), exposure and gamma:
see `render.looks`. The camera's world is the avatar's head space; with `orthographic` true its fx
and fy are pixels per metre. Planes are [H, W, …], first row on top.
"""

import itertools
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from .config import Quality
from .devices import resolve_device
from .errors import AvatarError, InputError, ProtocolError
from .head.model import JOINT_PARENTS, JOINTS, PARTS
from .protocol import Message, finite_array
from .render.camera import Camera
from .render.colour import linear_from_srgb, scene_linear

if TYPE_CHECKING:
    from .avatar.file import AvatarFile
    from .avatar.model import Avatar

MAX_LOADED = 3  # avatars whose networks are held in memory
MAX_SIDE = 16384  # px
MAX_LOOKS = 128  # inverse tables of view transforms, 430 kB each
PLANES = ("combined", "depth", "parts", "normal")
QUALITIES = get_args(Quality)


@dataclass(frozen=True)
class OpenFile:
    """An avatar file as it was when it was opened."""

    path: Path
    stamp: tuple[int, int]  # modification time in ns, size


class Session:
    """Open avatars on one device.

    Args:
        device: auto, cpu, cuda or cuda:N.

    Raises:
        DeviceError: there is no such device.
    """

    def __init__(self, device: str) -> None:
        self.device = resolve_device(device)
        self._handles = itertools.count(1)
        self._files: dict[str, OpenFile] = {}  # handle → file
        self._loaded: OrderedDict[str, Avatar] = OrderedDict()  # the last used last
        self._tables: OrderedDict[str, np.ndarray | InputError] = OrderedDict()  # by key

    def about(self) -> dict:
        """What `hello` tells of this session."""
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        return {"device": str(self.device), "device_name": name, "torch": torch.__version__}

    def open_avatar(self, path: Path) -> tuple[dict, dict[str, np.ndarray]]:
        """Load an avatar file; what `describe` tells of it, and `avatar`, its handle.

        Raises:
            AvatarError: the file cannot be used.
        """
        path = path.absolute()
        try:
            stamp = _stamp(path)
        except OSError as error:
            raise AvatarError(f"There is no avatar file {path}.", "Choose another file.") from error
        file = OpenFile(path, stamp)
        handle = next((handle for handle, known in self._files.items() if known == file), None)
        if handle is None:
            handle = str(next(self._handles))
            self._files[handle] = file
        try:
            avatar = self._avatar(handle)
        except Exception:
            del self._files[handle]
            raise
        header, arrays = describe(avatar.file)
        return {"avatar": handle, **header}, arrays

    def close_avatar(self, handle: object) -> None:
        """Forget an avatar; a handle that is not known is no mistake."""
        self._files.pop(str(handle), None)
        if (avatar := self._loaded.pop(str(handle), None)) is not None:
            avatar.kept.clear()  # it points back at the avatar

    def open_motion(self, path: Path, handle: object) -> tuple[dict, dict[str, np.ndarray]]:
        """The motion in a capture folder or avatar file, for the head of an open avatar.

        Raises:
            InputError: there is no motion that can be used.
            HeadMismatchError: it cannot be carried to the avatar's head model.
            ProtocolError: the avatar is not open.
        """
        from .motions import carry, read_tracked_motion

        head = self._avatar(str(handle)).file.head
        tracked = read_tracked_motion(path.absolute())
        motion, told = carry(tracked, head)
        arrays = motion.to_arrays() | {"motion.seconds": tracked.seconds}
        return {"fps": tracked.fps, "frames": len(motion), **told}, arrays

    def render(
        self,
        request: Message,
        should_stop: Callable[[], bool] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> tuple[dict, dict[str, np.ndarray]]:
        """One frame of one avatar, as planes ready for Blender.

        Raises:
            ProtocolError: the request is odd.
            Cancelled: `should_stop` said so.
        """
        from .render.frame import render_frame

        avatar = self._avatar(str(request.header.get("avatar")))
        head = avatar.file.head
        camera = read_camera(request.header.get("camera"))
        wanted = choices(request.header.get("planes", ["combined", "depth"]), PLANES)
        quality = choices([request.header.get("quality", "exact")], QUALITIES)[0]
        linearise = self._linearise(request.header.get("look"))
        e, j, p = len(head.expression_names), len(JOINTS), len(PARTS)
        began = time.perf_counter()
        planes = render_frame(
            avatar,
            camera,
            finite_array(request, "psi", (e,), (p, e)),
            finite_array(request, "theta", (j, 3)),
            finite_array(request, "translation", (3,)),
            quality=quality,
            normals="normal" in wanted,
            should_stop=should_stop,
            on_progress=on_progress,
        )
        arrays: dict[str, np.ndarray] = {}
        if "combined" in wanted:
            combined = scene_linear(planes.colour, planes.alpha, linearise)
            arrays["combined"] = combined.astype(np.float16)
        if "depth" in wanted:
            arrays["depth"] = np.asarray(planes.depth, np.float32)
        if "parts" in wanted:
            arrays["parts"] = np.asarray(planes.parts, np.float16)
        if "normal" in wanted:
            arrays["normal"] = np.asarray(planes.normal, np.float16)
        seconds = time.perf_counter() - began
        return {"width": camera.width, "height": camera.height, "seconds": seconds}, arrays

    def learn_look(self, request: Message) -> None:
        """Run a view transform backwards and remember it by its key.

        One that cannot be run backwards is remembered as well: renders that name it are refused.

        Raises:
            ProtocolError: the request is odd.
        """
        from .render.looks import make_table

        key, axis, shown = (
            request.header.get("key"),
            request.arrays.get("axis"),
            request.arrays.get("shown"),
        )
        if not isinstance(key, str) or axis is None or shown is None:
            raise ProtocolError("The look of the request is odd.", "Start the engine again.")
        if key not in self._tables:
            whole = 65535 if shown.dtype == np.uint16 else 1
            try:
                table = make_table(axis.astype(np.float64), shown / np.float64(whole))
            except InputError as error:  # for those who look for it
                table = error
            self._tables[key] = table
        self._tables.move_to_end(key)
        while len(self._tables) > MAX_LOOKS:
            self._tables.popitem(last=False)

    def _linearise(self, look: object) -> Callable[[np.ndarray], np.ndarray]:
        """How a render's colours become scene-linear.

        Raises:
            ProtocolError: the look is odd or has not been sent.
            InputError: its view transform cannot be run backwards.
        """
        if look is None:
            return linear_from_srgb
        from .render.looks import Look

        try:
            key, exposure, gamma = look["key"], float(look["exposure"]), float(look["gamma"])
            table = None if key is None else self._tables[key]
            if not (abs(exposure) <= 64 and 0 < gamma <= 64):
                raise ValueError("a number is out of range")
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(
                f"The look of the request is odd ({error!r}).", "Start the engine again."
            ) from error
        if isinstance(table, InputError):
            raise table
        return Look(table, exposure, gamma)

    def _avatar(self, handle: str) -> "Avatar":
        """The loaded avatar of a handle; what was used longest ago makes room for it."""
        from .avatar.model import Avatar

        if handle not in self._files:
            raise ProtocolError("The engine does not know this avatar.", "Load the avatar again.")
        if handle not in self._loaded:
            while len(self._loaded) >= MAX_LOADED:
                _, old = self._loaded.popitem(last=False)
                old.kept.clear()  # it points back at the avatar, which would stay for long
            self._loaded[handle] = Avatar.load(self._files[handle].path, self.device)
        self._loaded.move_to_end(handle)
        return self._loaded[handle]


def describe(file: "AvatarFile") -> tuple[dict, dict[str, np.ndarray]]:
    """What Blender needs of an avatar to build its rig: JSON header and arrays.

    Arrays: vertices [V, 3] m, faces [F, 3], uv [U, 2], uv_faces [F, 3], expressions [E, V, 3]
    float16 m, joints [J, 3] m, skin_weights [V, J], correctives [K, V, 3] float16 m,
    corrective_index [K], vertex_part [V], vertex_region [V], part_weights [V, P] float16,
    motion.psi [N, E], motion.theta [N, J, 3] rad, motion.translation [N, 3] m, thumbnail
    [h, w, 3] uint8; arkit.psi [A, E] and arkit.jaw [A, 3] rad, what stands for each of ARKit's
    names that are no expressions of this head (header `arkit_names`, A of them).
    """
    from .head.arkit import arkit_shapes
    from .head.skinning import smooth_labels

    head = file.head
    arkit = arkit_shapes(head)
    header = {
        "method": file.method,
        "config": dict(file.config),
        "record": dict(file.record),
        "camera": file.camera.to_json(),
        "fps": file.fps,
        "expression_names": list(head.expression_names),
        "arkit_names": list(arkit.names),
        "joint_names": list(JOINTS),
        "joint_parents": list(JOINT_PARENTS),
        "part_names": list(PARTS),
        "model_name": head.model_name,
        "model_fingerprint": head.model_fingerprint,
    }
    names = (
        "vertices",
        "faces",
        "uv",
        "uv_faces",
        "expressions",
        "joints",
        "skin_weights",
        "correctives",
        "corrective_index",
        "vertex_part",
        "vertex_region",
    )
    arrays = {name: getattr(head, name) for name in names}
    arrays |= {"arkit.psi": arkit.psi, "arkit.jaw": arkit.jaw}
    weights = smooth_labels(head, head.vertex_part, len(PARTS)).astype(np.float16)
    arrays |= file.motion.to_arrays() | {"thumbnail": file.thumbnail, "part_weights": weights}
    return header, arrays


def read_camera(data: object) -> Camera:
    """The camera of a request.

    Raises:
        ProtocolError: an entry is missing or odd.
    """
    try:
        camera = Camera.from_json(data)  # type: ignore[arg-type]
        if max(camera.width, camera.height) > MAX_SIDE:
            raise ValueError(f"a picture of {camera.width} × {camera.height}")
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"The camera of the request is odd ({error}).",
                            "Check the camera and the avatar's scale.") from error  # fmt: skip
    return camera


def choices(names: object, known: Mapping | tuple[str, ...]) -> list[str]:
    """The names, each of them a known one.

    Raises:
        InputError: one is not.
    """
    names = list(names) if isinstance(names, list | tuple) else [names]
    for name in names:
        if name not in known:
            raise InputError(f"The engine knows no “{name}”.", f"It knows {', '.join(known)}.")
    return names


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size
