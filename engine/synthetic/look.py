# SPDX-License-Identifier: GPL-3.0-or-later
"""How one person looks and is lit: everything that a seed decides beside the shape of the head.

Colours are linear Rec.709 albedos.
"""

from dataclasses import dataclass, replace

import numpy as np

SKIN = np.array([
    [0.70, 0.47, 0.37], [0.62, 0.38, 0.27], [0.48, 0.26, 0.165],
    [0.30, 0.15, 0.085], [0.135, 0.062, 0.036],
])  # fmt: skip
HAIR = {
    "black": (0.014, 0.011, 0.010), "dark brown": (0.040, 0.023, 0.014),
    "brown": (0.095, 0.050, 0.026), "auburn": (0.150, 0.055, 0.022),
    "blond": (0.36, 0.235, 0.115), "grey": (0.30, 0.29, 0.28),
}  # fmt: skip
IRIS = {
    "brown": (0.075, 0.030, 0.012), "dark brown": (0.028, 0.012, 0.006),
    "hazel": (0.14, 0.085, 0.03), "green": (0.10, 0.15, 0.075),
    "blue": (0.11, 0.20, 0.34), "grey": (0.17, 0.21, 0.24),
}  # fmt: skip
# Frames of glasses: colour, strength of the highlight
FRAMES = {
    "black": ((0.012, 0.012, 0.014), 1.0), "tortoise": ((0.085, 0.034, 0.012), 1.0),
    "red": ((0.16, 0.016, 0.018), 1.0), "blue": ((0.018, 0.035, 0.10), 1.0),
    "steel": ((0.24, 0.24, 0.25), 2.6), "gold": ((0.34, 0.22, 0.075), 2.6),
}  # fmt: skip
METALS = ("steel", "gold")
WEARERS = 1 / 3  # share of the people who wear glasses
STYLES = ("short", "swept", "parted", "bob", "curly", "cropped")
CLOTH = np.array([
    [0.03, 0.04, 0.07], [0.10, 0.10, 0.11], [0.25, 0.06, 0.05],
    [0.05, 0.10, 0.08], [0.45, 0.43, 0.40], [0.02, 0.02, 0.022],
])  # fmt: skip


@dataclass(frozen=True)
class Light:
    """A lamp far away, in world space."""

    towards: np.ndarray  # [3], unit
    colour: np.ndarray  # [3], linear
    width: float  # rad, half angle, softens shadow and terminator


@dataclass(frozen=True)
class Frame:
    """What somebody's glasses look like."""

    colour: np.ndarray  # [3]
    gloss: float  # strength of the highlight
    radius: float  # m, half the thickness of the rims
    height: float  # of a lens, as a share of its width
    power: float  # of the lens's outline: 2 is round, more is squarer


@dataclass(frozen=True)
class Look:
    """One person's colours, habits of skin and hair, and studio."""

    skin: np.ndarray  # [3]
    lips: np.ndarray  # [3]
    hair: np.ndarray  # [3]
    brows: np.ndarray  # [3]
    iris: np.ndarray  # [3]
    cloth: np.ndarray  # [3]
    style: str  # one of STYLES
    hair_side: float  # +1 or -1, where the parting sits
    freckles: float  # 0…1
    stubble: float  # 0…1
    ruddy: float  # 0…1, redness of cheeks, nose, ears
    age: float  # 0…1, strength of creases and of lines at rest
    brow_width: float  # m, half the thickness of the brows
    mole_places: np.ndarray  # [M, 3] m, rest pose
    mole_radii: np.ndarray  # [M] m
    key: Light
    fill: Light
    rim: Light
    sky: np.ndarray  # [3], ambient light from above
    ground: np.ndarray  # [3], from below
    backdrop: np.ndarray  # [3], linear colour of the background at its brightest
    frame: Frame | None  # the glasses' frame; None for who wears none


def make_look(seed: int, glasses: str = "auto") -> Look:
    """The look of person number `seed`; `glasses` is auto (the seed decides), yes or no."""
    random = np.random.default_rng((seed, 11))
    tone = np.clip(random.beta(1.1, 1.6), 0, 1) * (len(SKIN) - 1)
    skin = np.array([np.interp(tone, range(len(SKIN)), SKIN[:, c]) for c in range(3)])
    skin = skin * random.normal(1, 0.03, 3)
    dark = tone / (len(SKIN) - 1)
    hair_names = ["black", "dark brown", "brown", "auburn", "blond", "grey"]
    chances = np.array([0.2 + dark, 0.3, 0.3, 0.15, 0.2, 0.08]) * np.array(
        [1, 1, 1, 1 - dark, (1 - dark) ** 3, 1 - 0.5 * dark]
    )
    colour_name = random.choice(hair_names, p=chances / chances.sum())
    hair = np.array(HAIR[colour_name]) * random.normal(1, 0.06)
    iris_chances = np.array([0.35, 0.25 + dark, 0.15, 0.1, 0.2, 0.1]) * np.array(
        [1, 1, *[(1 - dark) ** 2] * 4]
    )
    iris = np.array(IRIS[random.choice(list(IRIS), p=iris_chances / iris_chances.sum())])
    style = STYLES[seed % len(STYLES)] if seed < len(STYLES) else str(random.choice(STYLES))
    bearded = random.random() < 0.45 and style != "bob"
    side = float(random.choice([-1.0, 1.0]))
    lips = skin * (0.74, 0.43, 0.47) * random.normal(1, 0.04, 3)
    look = Look(
        skin=skin, lips=lips, hair=hair, iris=iris, style=style,
        brows=np.minimum(hair, 0.07) * 0.7 + 0.02 * skin,
        cloth=CLOTH[random.integers(len(CLOTH))],
        hair_side=float(random.choice([-1.0, 1.0])),
        freckles=float(random.random() ** 2 * (1 - dark) ** 1.5),
        stubble=float(random.uniform(0.25, 0.9) if bearded else 0.0),
        ruddy=float(random.uniform(0.3, 1.0)),
        age=float(random.uniform(0.25, 1.0)),
        brow_width=float(random.uniform(0.0032, 0.0046)),
        mole_places=np.zeros((0, 3)), mole_radii=np.zeros(0),
        key=_lamp(random, (25, 50), (22, 42), 2.8, (0, 0.6), side, 0.16),
        fill=_lamp(random, (35, 65), (0, 20), 0.42, (-0.5, 0.2), -side, 0.5),
        rim=_lamp(random, (125, 150), (20, 40), 1.4, (-0.3, 0.5), -side, 0.2),
        sky=0.34 * _warm(random.uniform(-0.5, 0.1)), ground=0.16 * _warm(random.uniform(0.1, 0.6)),
        backdrop=random.uniform(0.16, 0.45) * _warm(random.uniform(-0.6, 0.5)),
        frame=_choose_frame(seed, glasses),
    )  # fmt: skip
    single = {k: v.astype(np.float32) for k, v in vars(look).items() if isinstance(v, np.ndarray)}
    return replace(look, **single)


def _choose_frame(seed: int, glasses: str) -> Frame | None:
    """Drawn apart from the rest of the look, which is the same with and without glasses."""
    random = np.random.default_rng((seed, 26))
    wears = {"auto": random.random() < WEARERS, "yes": True, "no": False}[glasses]
    name = str(random.choice(list(FRAMES)))
    colour, gloss = FRAMES[name]
    radius = random.uniform(0.0009, 0.0011) if name in METALS else random.uniform(0.0015, 0.0021)
    height, power = random.uniform(0.74, 0.92), random.uniform(2.1, 3.4)
    if not wears:
        return None
    return Frame(np.array(colour, np.float32), gloss, float(radius), float(height), float(power))


def _lamp(
    random: np.random.Generator,
    azimuth: tuple[float, float],
    elevation: tuple[float, float],
    power: float,
    warmth: tuple[float, float],
    side: float,
    width: float,
) -> Light:
    """A lamp somewhere between the bounds (degrees), on one side."""
    a, e = side * np.radians(random.uniform(*azimuth)), np.radians(random.uniform(*elevation))
    towards = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)
    return Light(towards, (power * _warm(random.uniform(*warmth))).astype(np.float32), width)


def _warm(amount: float) -> np.ndarray:
    return np.array([1 + 0.18 * amount, 1.0, 1 - 0.28 * amount])
