# SPDX-License-Identifier: GPL-3.0-or-later
"""The actor, the head file, and an import of a dataset."""

import numpy as np
import pytest

from engine.capture.folder import read_capture
from engine.capture.readers import command
from engine.config import Import
from engine.head.library import load_head_model
from engine.jobs import Job
from tests.engine.capture.readers.actor import flame_arrays, make_actor


@pytest.fixture(scope="session")
def actor(generic_model):
    return make_actor(generic_model)


@pytest.fixture(scope="session")
def stiff_actor(generic_model):
    """Who never bends the neck, as metrical-tracker has none, before a lens of one focal length."""
    return make_actor(generic_model, neck=False, squeeze=1.0)


@pytest.fixture(scope="session")
def flame_file(generic_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("head") / "flame.npz"
    np.savez(path, **flame_arrays(generic_model))
    return path


@pytest.fixture
def bring(flame_file, actor, tmp_path, monkeypatch):
    """Imports a dataset: the capture, and what the command said. FLAME is loaded once for all."""
    known = {str(flame_file): actor.model}
    monkeypatch.setattr(command, "load_head_model",
                        lambda name: known.get(name) or load_head_model(name))  # fmt: skip

    def run_import(folder, out=None, **options):
        out = out or tmp_path / "capture"
        options = {"head": str(flame_file), "quiet": True, "device": "cpu"} | options
        config = Import(dataset=folder, out=out, **options)
        with Job("import", quiet=True) as job:
            result = command.run(config, job)
        return read_capture(out), result

    return run_import
