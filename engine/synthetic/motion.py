# SPDX-License-Identifier: GPL-3.0-or-later
"""How the person moves: mild talk for training; stronger faces, also combined, for testing."""

import numpy as np

from ..head.model import EYE_LEFT, EYE_RIGHT, JAW, JOINTS, NECK
from ..head.motion import Motion

FPS = 25.0
# Mouth shapes of speech, and faces, by ARKit names without their side; "jaw" in rad.
VISEMES = (
    {"jaw": 0.17, "mouthLowerDown": 0.20, "mouthUpperUp": 0.30},
    {"jaw": 0.09, "mouthStretch": 0.25, "mouthSmile": 0.20, "mouthUpperUp": 0.30},
    {"jaw": 0.12, "mouthFunnel": 0.5, "mouthPucker": 0.25},
    {"jaw": 0.05, "mouthPucker": 0.60},
    {"mouthPress": 0.4, "mouthRollLower": 0.2, "mouthRollUpper": 0.15},
    {"jaw": 0.03, "mouthRollLower": 0.45, "mouthUpperUp": 0.2},
    {"jaw": 0.06, "mouthSmile": 0.30, "mouthStretch": 0.2, "mouthUpperUp": 0.25},
    {"jaw": 0.04, "mouthFunnel": 0.4, "mouthUpperUp": 0.2, "mouthLowerDown": 0.2},
)
FACES = (
    {"mouthSmile": 0.6, "cheekSquint": 0.35, "eyeSquint": 0.2, "mouthUpperUp": 0.3, "jaw": 0.06},
    {"browInnerUp": 0.55, "browOuterUp": 0.5, "eyeWide": 0.25},
    {"browDown": 0.55, "eyeSquint": 0.3},
    {"mouthFrown": 0.4, "mouthShrugLower": 0.35},
    {"noseSneer": 0.4, "mouthUpperUp": 0.2},
    {"mouthLeft": 0.3, "mouthDimpleLeft": 0.3},
    {"mouthPucker": 0.5, "browInnerUp": 0.25},
    {"cheekPuff": 0.35, "mouthPress": 0.2},
    {"mouthRight": 0.25, "mouthSmileRight": 0.35},
)
STRONG_FACES = (
    {"mouthSmile": 1.0, "cheekSquint": 0.7, "eyeSquint": 0.35, "mouthUpperUp": 0.3, "jaw": 0.2},
    {"browInnerUp": 0.95, "browOuterUp": 0.9, "eyeWide": 0.55, "jaw": 0.33, "mouthFunnel": 0.35},
    {"browDown": 0.95, "noseSneer": 0.75, "mouthUpperUp": 0.4, "jaw": 0.15, "mouthStretch": 0.4},
    {"mouthPucker": 0.95, "browInnerUp": 0.8, "browOuterUp": 0.5},
    {"mouthSmile": 0.8, "browDown": 0.7, "eyeSquint": 0.6, "mouthUpperUp": 0.4, "jaw": 0.05},
    {
        "mouthSmileLeft": 0.95,
        "mouthLeft": 0.4,
        "browOuterUpLeft": 0.9,
        "eyeBlinkRight": 0.9,
        "cheekSquintRight": 0.5,
    },
    {"mouthFrown": 0.8, "mouthShrugLower": 0.7, "browInnerUp": 0.8},
    {"mouthFunnel": 0.9, "jaw": 0.24, "browDown": 0.4},
)
YAW, PITCH, ROLL = np.radians((20.0, 10.0, 4.0))  # training; a quarter more in the test
IN_NECK = 0.75  # share of the head's turning that the neck makes; the root makes the rest


def whole_motion(names: tuple[str, ...], frames: int, test_frames: int, seed: int) -> Motion:
    """A capture's motion: `frames` of mild talk to train on, then `test_frames` of stronger faces.

    The arguments are those of `make_motion`; there may be no test frames.
    """
    mild = make_motion(names, frames, seed, strong=False)
    if test_frames == 0:
        return mild
    strong = make_motion(names, test_frames, seed, strong=True)
    pairs = zip(vars(mild).values(), vars(strong).values(), strict=True)
    return Motion(*(np.concatenate(pair) for pair in pairs))


def make_motion(names: tuple[str, ...], frames: int, seed: int, *, strong: bool) -> Motion:
    """A clip of `frames` frames at `FPS`.

    Args:
        names: the expressions of psi, in order; what a model lacks is left out.
        frames: N.
        seed: another seed, another clip.
        strong: faces about twice as strong, in combinations that the mild clip does not have.
    """
    random = np.random.default_rng((seed, 41, int(strong)))
    tracks: dict[str, np.ndarray] = {}
    _talk(tracks, frames, random, 1.15 if strong else 1.0)
    _make_faces(tracks, frames, random, STRONG_FACES if strong else FACES, strong)
    _blink(tracks, frames, random)
    psi = np.zeros((frames, len(names)), np.float32)
    for k, name in enumerate(names):
        for key in {name, name.removesuffix("Left"), name.removesuffix("Right")} & tracks.keys():
            psi[:, k] += tracks[key]
        if name.endswith(("Left", "Right")):  # no face is quite symmetric
            psi[:, k] *= 1 + 0.10 * _wander(frames, random, 40)
    theta = np.zeros((frames, len(JOINTS), 3), np.float32)
    theta[:, JAW, 0] = np.clip(tracks["jaw"], 0, 0.48)
    theta[:, JAW, 1] = 0.02 * _wander(frames, random, 14) * (tracks["jaw"] > 0.01)
    turn = _nod(frames, random) * (1.25 if strong else 1.0)  # [N, 3]: pitch, yaw, roll
    theta[:, NECK] = IN_NECK * turn
    theta[:, 0] = (1 - IN_NECK) * turn
    _look_about(theta, turn, frames, random)
    shift = np.stack([_wander(frames, random, 50) for _ in range(3)], 1) * (0.004, 0.003, 0.006)
    return Motion(np.clip(psi, 0, 1.1), theta, shift.astype(np.float32))


def _add(tracks: dict[str, np.ndarray], shape: dict[str, float], weight: np.ndarray) -> None:
    for name, value in shape.items():
        tracks[name] = tracks.get(name, 0.0) + value * weight


def _talk(
    tracks: dict[str, np.ndarray], frames: int, random: np.random.Generator, strength: float
) -> None:
    time = np.arange(frames)
    tracks["jaw"] = np.zeros(frames)
    at = random.uniform(0, 4)
    while at < frames:
        bump = np.exp(-np.square((time - at) / random.uniform(1.8, 2.8)))
        _add(
            tracks,
            VISEMES[random.integers(len(VISEMES))],
            strength * random.uniform(0.6, 1.15) * bump,
        )
        at += random.uniform(3.5, 6.5) if random.random() < 0.85 else random.uniform(9, 14)


def _make_faces(
    tracks: dict[str, np.ndarray],
    frames: int,
    random: np.random.Generator,
    faces: tuple,
    strong: bool,
) -> None:
    """Every face once, in random order, evenly over the clip; then over again in long clips."""
    time = np.arange(frames)
    spacing = frames / len(faces) if strong else min(max(frames / len(faces), 9), 14)
    order: list[int] = []
    for k in range(int(frames / spacing) + 1):
        order = order or list(random.permutation(len(faces)))
        hold, ramp = (
            (0.30 * spacing, 0.22 * spacing)
            if strong
            else (random.uniform(2, 5), random.uniform(3, 5))
        )
        off = np.maximum(np.abs(time - (k + 0.5) * spacing) - hold, 0) / ramp
        _add(tracks, faces[order.pop()], random.uniform(0.85, 1.1) * np.exp(-np.square(off)))


def _blink(tracks: dict[str, np.ndarray], frames: int, random: np.random.Generator) -> None:
    profile = np.array([0.35, 0.9, 1.0, 0.75, 0.35, 0.1])
    tracks["eyeBlink"] = np.zeros(frames + len(profile))
    at = random.integers(5, 20)
    while at < frames:
        tracks["eyeBlink"][at : at + len(profile)] = profile
        at += random.integers(28, 60)
    tracks["eyeBlink"] = tracks["eyeBlink"][:frames]


def _nod(frames: int, random: np.random.Generator) -> np.ndarray:
    """Pitch, yaw and roll [N, 3] rad that make use of their range."""
    time = np.arange(frames)
    ranges = []
    for reach, period in (
        (PITCH, random.uniform(45, 65)),
        (YAW, random.uniform(75, 95)),
        (ROLL, random.uniform(60, 80)),
    ):
        wave = np.sin(2 * np.pi * (time / min(period, max(frames, 12)) + random.random()))
        ranges.append(reach * np.clip(0.85 * wave + 0.15 * _wander(frames, random, 16), -1, 1))
    return np.stack(ranges, 1)


def _look_about(
    theta: np.ndarray, turn: np.ndarray, frames: int, random: np.random.Generator
) -> None:
    """Eyes that stay near the camera while the head turns, with jumps away from it."""
    jumps = np.repeat(random.normal(0, 0.09, (frames // 12 + 1, 2)), 12, 0)[:frames]
    pitch = np.clip(-0.6 * turn[:, 0] + 0.6 * jumps[:, 0], -0.3, 0.3)
    yaw = np.clip(-0.7 * turn[:, 1] + jumps[:, 1], -0.4, 0.4)
    for joint in (EYE_LEFT, EYE_RIGHT):
        theta[:, joint, 0], theta[:, joint, 1] = pitch, yaw


def _wander(frames: int, random: np.random.Generator, period: float) -> np.ndarray:
    """Smooth noise [N] between about -1 and 1 that changes over `period` frames."""
    knots = random.uniform(-1, 1, int(frames / period * 2) + 4)
    place = np.arange(frames) / (period / 2)
    k = place.astype(int)
    u = place - k
    u = u * u * (3 - 2 * u)
    return knots[k] * (1 - u) + knots[k + 1] * u
