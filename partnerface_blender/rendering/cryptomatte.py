# SPDX-License-Identifier: GPL-3.0-or-later
"""Cryptomatte 1.2: names as numbers, coverages ranked per pixel, and the manifest.

N names, K levels (two of them in each pass). Blender's own three layers are used, so that its
Cryptomatte node offers them: CryptoObject holds the rigs, CryptoAsset their topmost parents, and
CryptoMaterial the parts of the face, named `rig.part`.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np

LAYERS = {
    "CryptoObject": "use_pass_cryptomatte_object",
    "CryptoMaterial": "use_pass_cryptomatte_material",
    "CryptoAsset": "use_pass_cryptomatte_asset",
}  # name → the view layer's switch


def pass_names(layer_name: str, levels: int) -> list[str]:
    """The passes that hold a layer's levels, two in each."""
    return [f"{layer_name}{number:02d}" for number in range((levels + 1) // 2)]


def hash_name(name: str) -> int:
    """MurmurHash3 (32 bit, x86, seed 0) of the name in UTF-8."""
    data = name.encode()
    h, full = 0, len(data) // 4 * 4
    for at in range(0, full, 4):
        h ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        h = (_rotated(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    if full < len(data):
        h ^= _mixed(int.from_bytes(data[full:], "little"))
    h ^= len(data)
    h = ((h ^ h >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ h >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return h ^ h >> 16


def _mixed(k: int) -> int:
    return (_rotated((k * 0xCC9E2D51) & 0xFFFFFFFF, 15) * 0x1B873593) & 0xFFFFFFFF


def _rotated(k: int, bits: int) -> int:
    return ((k << bits) | (k >> (32 - bits))) & 0xFFFFFFFF


def number_of(name: str) -> np.float32:
    """The name's hash as the float that stands for it: never NaN, infinite or denormal."""
    h = hash_name(name)
    exponent = min(max(h >> 23 & 255, 1), 254)
    return np.array(h & 0x807FFFFF | exponent << 23, np.uint32).view(np.float32)[()]


def ranked(names: Sequence[str], coverage: np.ndarray, levels: int) -> np.ndarray:
    """The passes' pixels [ceil(levels / 2), H, W, 4]: name, coverage, next name, its coverage.

    Args:
        names: N; those that are equal are added up.
        coverage: [N, H, W] in 0…1.
        levels: how many names a pixel can have.
    """
    names, rows = np.unique(np.array(names, object).astype(str), return_inverse=True)
    numbers = np.array([number_of(str(name)) for name in names], np.float32)
    height, width = coverage.shape[1:]
    passes = (levels + 1) // 2
    pairs = np.zeros((height * width, passes * 2, 2), np.float32)
    flat = coverage.reshape(len(coverage), height * width)
    some = (flat > 0).any(0).nonzero()[0]
    joined = np.zeros((len(some), len(names)), np.float32)
    for row, name in enumerate(rows.ravel()):
        joined[:, name] += flat[row, some]
    order = np.argsort(-joined, axis=1, kind="stable")[:, : passes * 2]
    share = np.take_along_axis(joined, order, 1)
    held = order.shape[1]
    pairs[some, :held, 0] = np.where(share > 0, numbers[order], 0)
    pairs[some, :held, 1] = share
    return pairs.reshape(height, width, passes, 4).transpose(2, 0, 1, 3)


def metadata(view_layer: str, layer_name: str, names: Iterable[str]) -> dict[str, str]:
    """What a picture file must say of a layer: its name, how names became numbers, and which."""
    full = f"{view_layer}.{layer_name}"
    prefix = f"cryptomatte/{hash_name(full):08x}"[: len("cryptomatte/") + 7]
    manifest = {name: f"{int(number_of(name).view(np.uint32)):08x}" for name in sorted(set(names))}
    return {
        f"{prefix}/name": full,
        f"{prefix}/hash": "MurmurHash3_32",
        f"{prefix}/conversion": "uint32_to_float32",
        f"{prefix}/manifest": json.dumps(manifest, ensure_ascii=False, separators=(",", ":")),
    }
