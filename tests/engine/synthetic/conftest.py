# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from engine.capture.folder import Capture, read_capture
from engine.config import Synth
from engine.head.library import load_head_model
from engine.head.model import HeadModel
from engine.jobs import Job
from engine.synthetic.command import run
from engine.synthetic.person import Person, make_person

SEED = 5  # close-cropped hair: the silhouette is the head's


@pytest.fixture(scope="session")
def generic() -> HeadModel:
    return load_head_model("generic")


@pytest.fixture(scope="session")
def person(generic: HeadModel) -> Person:
    return make_person(SEED, generic)


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    out = tmp_path_factory.mktemp("synth") / "capture"
    with Job("synth", quiet=True) as job:
        run(Synth(out=out, seed=SEED, size=64, frames=6, test_frames=4), job)
    return read_capture(Path(out))
