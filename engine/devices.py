# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device the engine computes on, and in which precision its nets do."""

import functools

import torch

from .errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: a GPU was asked for where there is none, or the name means nothing.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"“{name}” is no device.", "Use auto, cpu or cuda.") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"The engine does not run on “{name}”.", "Use auto, cpu or cuda.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "A GPU was asked for, but this engine sees no CUDA device.",
            "Use --device cpu, or install an NVIDIA driver and a CUDA build of torch.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"There is no GPU number {device.index}.", "Use --device cuda.")
    return device


def autocast(device: torch.device) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16 where that is the quicker way."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device.type))


def net_dtype(device: torch.device) -> torch.dtype:
    """What the products of nets come in here and now: bfloat16 within an enabled `autocast`."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


@functools.cache
def multiplies_bfloat16(device_type: str) -> bool:
    """Whether a device has instructions for products of bfloat16.

    Where a CPU has none, torch imitates them, and takes many times as long as for float32:
    `python -m benchmarks.precision` prints how many.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capable = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capable.get("avx512_bf16") or capable.get("amx_bf16"))
