# SPDX-License-Identifier: GPL-3.0-or-later
"""The session by itself, in this process, with a really trained avatar."""

import gc
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import session as session_module
from engine.avatar.file import AvatarFile
from engine.avatar.model import Avatar
from engine.errors import AvatarError, Cancelled, DeviceError, InputError, ProtocolError
from engine.protocol import Message
from engine.render.camera import Camera
from engine.render.colour import scene_linear
from engine.render.frame import render_frame
from engine.session import Session, describe


@pytest.fixture(scope="module")
def session():
    return Session("cpu")


@pytest.fixture(scope="module")
def opened(session, trained_avatar):
    return session.open_avatar(trained_avatar)


def request_for(opened, size=24, **changes):
    """A render request for the avatar's first tracked frame."""
    header, arrays = opened
    camera = Camera.from_json(header["camera"]).resized(size, size)
    asked = {"avatar": header["avatar"], "camera": camera.to_json()}
    sent = {name: arrays[f"motion.{name}"][0] for name in ("psi", "theta", "translation")}
    return Message(
        "render",
        1,
        asked | {k: v for k, v in changes.items() if k not in sent},
        sent | {k: v for k, v in changes.items() if k in sent},
    )


def test_an_open_avatar_tells_all_that_a_rig_needs(opened, trained_avatar):
    header, arrays = opened
    file = AvatarFile.read(trained_avatar)
    assert header["method"] == "partnerface"
    assert header["expression_names"] == list(file.head.expression_names)
    assert header["joint_names"][2] == "jaw"
    assert header["joint_parents"][2] == header["joint_names"].index("neck")
    assert header["fps"] == file.fps
    assert header["model_fingerprint"] == file.head.model_fingerprint
    assert arrays["expressions"].dtype == np.float16
    v, e = len(arrays["vertices"]), len(header["expression_names"])
    assert arrays["expressions"].shape == (e, v, 3)
    assert arrays["skin_weights"].shape == (v, len(header["joint_names"]))
    assert arrays["motion.psi"].shape == (len(file.motion), e)
    assert arrays["vertex_part"].max() < len(header["part_names"])
    assert arrays["thumbnail"].dtype == np.uint8
    assert header["arkit_names"] == []  # the generic head speaks ARKit by itself
    assert arrays["arkit.psi"].shape == (0, e)


def test_a_head_of_other_names_comes_with_arkit_s_shapes(trained_avatar):
    file = AvatarFile.read(trained_avatar)
    names = tuple(f"expression{i:03d}" for i in range(len(file.head.expression_names)))
    head = replace(file.head, expression_names=names)
    header, arrays = describe(replace(file, head=head))
    a, e = len(header["arkit_names"]), len(names)
    assert a > 40
    assert arrays["arkit.psi"].shape == (a, e)
    assert arrays["arkit.jaw"].shape == (a, 3)
    smile = arrays["arkit.psi"][header["arkit_names"].index("mouthSmileLeft")]
    assert int(np.argmax(smile)) == file.head.expression_names.index("mouthSmileLeft")


def test_planes_are_those_of_the_renderer_in_scene_linear_colour(session, opened, trained_avatar):
    message = request_for(opened, planes=["combined", "depth", "parts"])
    header, planes = session.render(message)
    assert (header["width"], header["height"]) == (24, 24)
    truth = render_frame(
        Avatar.load(trained_avatar, torch.device("cpu")),
        Camera.from_json(message.header["camera"]),
        message.arrays["psi"],
        message.arrays["theta"],
        message.arrays["translation"],
    )
    assert truth.alpha.max() > 0.1  # there is something to see
    assert planes["combined"].dtype == planes["parts"].dtype == np.float16
    assert planes["depth"].dtype == np.float32
    expected = scene_linear(truth.colour, truth.alpha)
    assert np.allclose(planes["combined"], expected, atol=2e-3)
    assert np.array_equal(planes["depth"], truth.depth)
    assert np.allclose(planes["parts"], truth.parts, atol=2e-3)
    assert (planes["depth"][truth.alpha == 0] == np.float32(1e10)).all()


def test_only_the_planes_asked_for_are_sent(session, opened):
    assert set(session.render(request_for(opened, planes=["depth"]))[1]) == {"depth"}
    assert set(session.render(request_for(opened))[1]) == {"combined", "depth"}


def test_normals_and_orthographic_cameras_may_be_asked_for(session, opened):
    camera = Camera.from_json(opened[0]["camera"]).resized(24, 24).to_json()
    camera |= {"fx": 80, "fy": 80, "cx": 12, "cy": 12, "orthographic": True}
    header, planes = session.render(
        request_for(opened, camera=camera, planes=["combined", "normal"])
    )
    alpha, normal = planes["combined"][..., 3], planes["normal"]
    assert header["seconds"] > 0
    assert normal.dtype == np.float16
    assert normal.shape == (24, 24, 3)
    assert alpha.max() > 0.1
    length = np.linalg.norm(normal.astype(np.float32), axis=-1)
    assert length.max() > 0.1
    assert (length <= alpha + 1e-2).all()
    pinhole = session.render(request_for(opened, camera=camera | {"orthographic": False}))[1]
    assert np.abs(pinhole["combined"] - planes["combined"]).max() > 0.05


def test_an_expression_for_each_part_may_be_the_same_for_all(session, opened):
    whole = request_for(opened)
    parts = len(opened[0]["part_names"])
    apart = request_for(opened, psi=np.tile(whole.arrays["psi"], (parts, 1)))
    first, second = session.render(whole)[1], session.render(apart)[1]
    assert np.allclose(first["combined"], second["combined"], atol=0.02)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"avatar": "77"}, ProtocolError, "does not know this avatar"),
        ({"avatar": None}, ProtocolError, "does not know this avatar"),
        ({"psi": np.zeros(3)}, ProtocolError, "psi of shape"),
        ({"theta": np.zeros((4, 3))}, ProtocolError, "theta of shape"),
        ({"translation": np.array([0, np.nan, 0])}, ProtocolError, "not finite"),
        ({"camera": None}, ProtocolError, "camera"),
        ({"camera": {"width": 8}}, ProtocolError, "camera"),
        ({"planes": ["beauty"]}, InputError, "no “beauty”"),
        ({"planes": 3}, InputError, "no “3”"),
        ({"quality": "best"}, InputError, "no “best”"),
    ],
)
def test_odd_requests_are_sentences(session, opened, changes, error, says):
    with pytest.raises(error, match=says):
        session.render(request_for(opened, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0}, {"width": 1 << 20}, {"height": "x"},
        {"fx": float("nan")}, {"fy": 0}, {"fx": -5},
        {"camera_from_world": [[1, 2], [3, 4]]}, {"camera_from_world": np.zeros((4, 4)).tolist()},
        {"camera_from_world": np.full((4, 4), np.inf).tolist()},
    ],
)  # fmt: skip
def test_odd_cameras_are_sentences(session, opened, changes):
    camera = request_for(opened).header["camera"]
    with pytest.raises(ProtocolError, match="camera of the request is odd"):
        session.render(request_for(opened, camera={**camera, **changes}))


def test_a_render_stops_when_asked(session, opened):
    with pytest.raises(Cancelled):
        session.render(request_for(opened), should_stop=lambda: True)


def test_a_render_tells_how_far_it_is(session, opened):
    told = []
    session.render(request_for(opened, size=136), on_progress=told.append)
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_same_file_is_opened_once_and_a_changed_one_anew(session, trained_avatar, tmp_path):
    path = tmp_path / "a.safetensors"
    shutil.copy(trained_avatar, path)
    first = session.open_avatar(path)[0]["avatar"]
    assert session.open_avatar(path)[0]["avatar"] == first
    file = AvatarFile.read(path)
    path.unlink()
    file.write(path)
    assert session.open_avatar(path)[0]["avatar"] != first


def test_many_avatars_are_open_and_few_in_memory(trained_avatar, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "MAX_LOADED", 2)
    session = Session("cpu")
    all_opened = []
    for number in range(4):
        path = tmp_path / f"{number}.safetensors"
        shutil.copy(trained_avatar, path)
        all_opened.append(session.open_avatar(path))
    assert len({header["avatar"] for header, _ in all_opened}) == 4
    assert len(session._loaded) == 2
    gc.disable()  # who has to make room is gone at once
    try:
        seen = []
        for opened in all_opened:
            session.render(request_for(opened, size=8))
            seen.append(weakref.ref(session._loaded[opened[0]["avatar"]]))
        assert [avatar() is None for avatar in seen] == [True, True, False, False]
    finally:
        gc.enable()
    assert len(session._loaded) == 2
    session.close_avatar(all_opened[0][0]["avatar"])
    with pytest.raises(ProtocolError, match="does not know"):
        session.render(request_for(all_opened[0], size=8))


def test_a_file_that_cannot_be_used_is_not_kept_open(trained_avatar, tmp_path):
    session = Session("cpu")
    path = tmp_path / "a.safetensors"
    path.write_bytes(trained_avatar.read_bytes()[:-1000])
    with pytest.raises(AvatarError, match="damaged"):
        session.open_avatar(path)
    with pytest.raises(AvatarError, match="no avatar file"):
        session.open_avatar(tmp_path / "none.safetensors")
    shutil.copy(trained_avatar, path)
    session.open_avatar(path)


def test_a_device_that_is_not_there_is_a_sentence():
    with pytest.raises(DeviceError):
        Session("tpu")


def test_a_look_is_sent_once_and_named_from_then_on(opened, session):
    look = {"key": "steep", "exposure": 0.0, "gamma": 1.0}
    with pytest.raises(ProtocolError, match="look"):
        session.render(request_for(opened, look=look))
    axis = np.linspace(0, 4, 17).astype(np.float32)
    shown = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) / 4
    arrays = {"axis": axis, "shown": np.round(shown * 65535).astype(np.uint16)}
    session.learn_look(Message("look", 2, {"key": "steep"}, arrays))
    plain = session.render(request_for(opened))[1]["combined"].astype(np.float32)
    through = session.render(request_for(opened, look=look))[1]["combined"].astype(np.float32)
    assert np.array_equal(plain[..., 3], through[..., 3])
    solid = plain[..., 3] > 0.9
    video = np.where(plain <= 0.0031308, plain * 12.92, 1.055 * plain ** (1 / 2.4) - 0.055)
    assert solid.any()
    assert np.allclose(through[solid][:, :3] / 4, video[solid][:, :3], atol=0.03)


def test_a_view_transform_that_cannot_be_run_backwards_is_refused_where_it_is_used(opened, session):
    axis = np.linspace(0, 4, 5).astype(np.float32)
    arrays = {"axis": axis, "shown": np.full((5, 5, 5, 3), 30000, np.uint16)}
    session.learn_look(Message("look", 3, {"key": "flat"}, arrays))
    with pytest.raises(InputError, match="backwards"):
        session.render(request_for(opened, look={"key": "flat", "exposure": 0.0, "gamma": 1.0}))
