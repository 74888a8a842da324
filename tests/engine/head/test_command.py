# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from PIL import Image

from engine.config import HeadImport, HeadList, HeadShow
from engine.errors import HeadError, InputError, SpaceError
from engine.head.command import run_import, run_list, run_show
from engine.head.library import load_head_model
from engine.head.sheet import CELL, COLUMNS, LABEL, MARGIN, TITLE
from engine.jobs import Job

FEW = 3


@pytest.fixture
def small_flame(flame_arrays, tmp_path):
    """A FLAME file of three identities and two expressions."""
    few = flame_arrays["shapedirs"][:, :, [0, 1, 2, 300, 301]] * 3
    np.savez(tmp_path / "flame.npz", **(flame_arrays | {"shapedirs": few, "n_shape": FEW}))
    return tmp_path / "flame.npz"


def do(function, config):
    with Job("head", quiet=True) as job:
        return function(config, job)


def test_an_import_is_the_same_model_in_one_file(small_flame, tmp_path):
    result = do(run_import, HeadImport(source=small_flame, out=tmp_path / "out.npz"))
    assert "licence is its user's" in result["notes"]
    before, after = load_head_model(small_flame), load_head_model(tmp_path / "out.npz")
    assert after.notes == before.notes
    assert after.identity_names == before.identity_names
    pairs = [(before.identities, after.identities),
             (before.joint_regressor, after.joint_regressor)]  # fmt: skip
    header, arrays = before.mean.to_arrays()
    other_header, others = after.mean.to_arrays()
    assert other_header == header
    pairs += [(array, others[name]) for name, array in arrays.items()]
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)
    assert len(after.mean.landmarks468.vertices) == 468


def test_landmarks_may_lie_in_another_folder(small_flame, tmp_path, flame_arrays):
    folder = tmp_path / "landmarks"
    folder.mkdir()
    np.savez(folder / "mediapipe_landmark_embedding.npz", lmk_face_idx=np.arange(9),
             lmk_b_coords=np.eye(3)[[0] * 9], landmark_indices=np.arange(9) + 5)  # fmt: skip
    config = HeadImport(source=small_flame, out=tmp_path / "out.npz", landmarks=folder)
    do(run_import, config)
    found = load_head_model(tmp_path / "out.npz").mean.landmarks468
    assert found.vertices[5:14, 0].tolist() == flame_arrays["f"][:9, 0].tolist()
    with pytest.raises(InputError, match="no folder"):
        do(
            run_import,
            HeadImport(source=small_flame, out=tmp_path / "o.npz", landmarks=tmp_path / "x"),
        )


def test_what_cannot_be_imported_is_a_sentence_and_leaves_nothing(small_flame, tmp_path):
    cases = {
        "no head model": (HeadError, {"source": tmp_path / "none.npz", "out": tmp_path / "o.npz"}),
        "built in": (HeadError, {"source": "generic", "out": tmp_path / "o.npz"}),
        r"end with \.npz": (InputError, {"source": small_flame, "out": tmp_path / "o.pkl"}),
        "itself": (InputError, {"source": small_flame, "out": small_flame}),
        "could not be written|not permitted": (
            SpaceError, {"source": small_flame, "out": small_flame / "sub" / "o.npz"}),
    }  # fmt: skip
    for said, (kind, options) in cases.items():
        with pytest.raises(kind, match=said):
            do(run_import, HeadImport(**options))
    assert [path.name for path in tmp_path.iterdir()] == ["flame.npz"]


def test_a_newer_import_is_refused(small_flame, tmp_path):
    do(run_import, HeadImport(source=small_flame, out=tmp_path / "out.npz"))
    with np.load(tmp_path / "out.npz") as file:
        arrays = dict(file)
    words = str(arrays["partnerface_head_model"])
    assert '"schema_version": 1' in words
    for new, said in (('"schema_version": 99', "newer"), ('"schema": 1', "schema version")):
        changed = words.replace('"schema_version": 1', new)
        np.savez(tmp_path / "new.npz", **(arrays | {"partnerface_head_model": np.array(changed)}))
        with pytest.raises(HeadError, match=said):
            load_head_model(tmp_path / "new.npz")


def test_the_list_names_files_sources_and_licences(small_flame, tmp_path):
    (tmp_path / "broken.npz").write_text("hello")
    result = do(run_list, HeadList(folder=tmp_path))
    text = "\n".join(result.values())
    assert "flame.npz: flame;" in text
    assert "broken.npz: not usable" in text
    assert result["generic"].startswith("built in")
    assert all(word in text for word in ("MIT", "Apache-2.0", "registration"))
    with pytest.raises(InputError, match="no folder"):
        do(run_list, HeadList(folder=tmp_path / "none"))


def test_show_writes_a_sheet_with_a_picture_of_everything(small_flame, tmp_path):
    result = do(run_show, HeadShow(model=str(small_flame), out=tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(result["out"]))
    assert sheet.shape[1] == 2 * MARGIN + COLUMNS * CELL
    # four views, parts, two sets of landmarks; five turns; identities both ways; expressions
    counts = (7, 5, 2 * FEW, 2)
    bottom = sheet.shape[0] - MARGIN
    for count in reversed(counts):
        row = sheet[bottom - CELL - LABEL : bottom - LABEL, MARGIN:]
        inked = [(row[:, i * CELL : (i + 1) * CELL] < 250).any(2).mean() > 0.1 for i in range(10)]
        assert inked == [True] * count + [False] * (10 - count)
        bottom -= CELL + LABEL + TITLE
    with pytest.raises(InputError, match=r"end with \.png"):
        do(run_show, HeadShow(model="generic", out=tmp_path / "sheet.jpg"))
