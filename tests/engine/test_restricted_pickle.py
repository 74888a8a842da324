# SPDX-License-Identifier: GPL-3.0-or-later
import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from engine import torch_files
from engine.errors import InputError, PickleError
from engine.restricted_pickle import KNOWN, Sealed, StandIn, load_object_array, load_restricted
from engine.torch_files import TORCH, read_torch_file

PLAIN = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(4, dtype=">i4"),
    "bool": np.array([True, False]),
    "text": np.array(["a", "bc"]),
    "objects": np.array([1, "two", None], dtype=object),
    "scalar": np.float64(2.5),
    "empty": np.zeros((0, 3)),
    "nested": [1, (2.0, "three", b"four", None, True), OrderedDict(five=5)],
    "set": {1, 2},
}


class Loud:
    """Unpickling it would be noticed."""

    rang = False

    def __reduce__(self):
        return (setattr, (Loud, "rang", True))


def same(a, b):
    if isinstance(a, np.ndarray):
        native = a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")  # numpy swaps when it reads
        return native and a.shape == b.shape and bool((a == b).all())
    return a == b


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back(protocol):
    back = load_restricted(io.BytesIO(pickle.dumps(PLAIN, protocol)))
    assert back.keys() == PLAIN.keys()
    assert all(same(value, back[key]) for key, value in PLAIN.items())


def test_names_of_older_numpy_are_known():
    data = pickle.dumps(PLAIN["f4"], 2).replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in data
    assert same(PLAIN["f4"], load_restricted(io.BytesIO(data)))


def test_a_python_2_file_with_an_array_as_text():
    text = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'<f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb."
    )
    assert load_restricted(io.BytesIO(text)).tolist() == [1, 2]


@pytest.mark.parametrize("protocol", range(6))
def test_a_program_is_named_and_never_run(protocol):
    data = pickle.dumps({"v": np.ones(3), "x": Loud()}, protocol)
    with pytest.raises(
        PickleError, match=r"asks for __builtin__\.setattr|asks for builtins\.setattr"
    ):
        load_restricted(io.BytesIO(data), what="face.pkl")
    assert not Loud.rang


@pytest.mark.parametrize("name", ["os\nsystem", "builtins\neval", "numpy\nload", "posix\nsystem",
                                  "builtins\ngetattr", "engine.files\nwrite_atomic"])  # fmt: skip
def test_no_other_name_is_looked_up(name):
    module, attribute = name.split("\n")
    with pytest.raises(InputError, match=f"{module}.{attribute}"):
        load_restricted(io.BytesIO(b"c" + name.encode() + b"\n(S'x'\ntR."))


def test_dotted_names_do_not_reach_into_what_is_known():
    data = b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93."
    with pytest.raises(PickleError, match=r"ndarray\.__init__"):
        load_restricted(io.BytesIO(data))


def test_a_pickle_cannot_change_the_classes_it_names():
    for (module, name), kind in {**KNOWN, **TORCH}.items():
        before = getattr(kind, "__doc__", None)
        # BUILD with slot state: setattr(class, "__doc__", "changed")
        data = f"c{module}\n{name}\n(N(S'__doc__'\nS'changed'\ndtb.".encode()
        with pytest.raises(PickleError):
            load_restricted(io.BytesIO(data), TORCH)
        assert getattr(kind, "__doc__", None) == before


def test_flags_of_a_type_are_not_taken_from_the_pickle():
    # An array of bytes that would be taken for pointers, if the type's own state were believed.
    for state in ("(I3\nS'|'\nNNNI-1\nI-1\nI63\nt", "(I3\nS'|'\nN(S'a'\nt(dI8\nI1\nI63\nt"):
        data = (
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
            f"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR{state}bI00\nS'AAAAAAAA'\ntb."
        )
        with pytest.raises(PickleError):
            load_restricted(io.BytesIO(data.encode()))


def test_content_must_fit_shape_and_type():
    data = pickle.dumps(np.arange(4, dtype=np.int64), 2)
    for old, new in ((b"K\x04\x85", b"K\x05\x85"), (b"i8", b"i4")):
        assert old in data
        with pytest.raises(PickleError):
            load_restricted(io.BytesIO(data.replace(old, new, 1)))


def test_arrays_are_neither_called_nor_filled_twice():
    array = pickle.dumps(np.arange(4, dtype=np.int64), 2)
    build = array[array.rindex(b"(K") : -1]  # the array's state
    cases = {
        "filled twice": array[:-1] + build + b".",
        "unusual way": b"cnumpy\nndarray\n((I4\ntS'O'\ntR.",
        "another class": b"cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nlist\n(I0\ntS'b'\ntR.",
    }
    assert build.endswith(b"b")
    for said, data in cases.items():
        with pytest.raises(PickleError, match=said):
            load_restricted(io.BytesIO(data))


def test_a_tensor_of_a_view_cannot_look_beyond_its_memory():
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    floats = pickle.dumps(np.ones(1, np.float32), 2)[2:-1]  # without protocol and stop
    wide = b"(" + rebuild + b"(" + floats + b"I0\n(I1000\nt(I0\nttR"  # 1,000 times the same number
    data = rebuild + wide + b"I0\n(I1000\nt(I1\nttR."
    found = load_restricted(io.BytesIO(data), TORCH)
    assert found.shape == (1000,)
    assert (found == 1).all()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x02", b"\x80\x02N", b"\x80\xffN.", b"0."])
def test_damage_is_a_sentence(data):
    with pytest.raises(PickleError, match=r"the pickle|The pickle"):
        load_restricted(io.BytesIO(data))


def test_truncated_everywhere():
    data = pickle.dumps(PLAIN, 2)
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(PickleError):
            load_restricted(io.BytesIO(data[:end]))


class Foreign:
    """A class of a library that is not there when the file is read."""


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_stand_in_keeps_the_attributes(protocol):
    class Kept(StandIn):
        pass

    thing = Foreign()
    thing.x = np.ones(3)
    data = pickle.dumps([thing], protocol)
    back = load_restricted(io.BytesIO(data), {(Foreign.__module__, "Foreign"): Kept})[0]
    assert isinstance(back, Kept)
    assert back.x.tolist() == [1, 1, 1]
    assert type(Kept) is Sealed


def test_object_arrays_in_npy_files(tmp_path):
    np.save(tmp_path / "a.npy", {"faces": np.arange(3)}, allow_pickle=True)
    assert load_object_array(tmp_path / "a.npy").item()["faces"].tolist() == [0, 1, 2]
    np.save(tmp_path / "b.npy", np.arange(3))
    assert load_object_array(tmp_path / "b.npy").tolist() == [0, 1, 2]
    np.save(tmp_path / "c.npy", np.array([Loud()], dtype=object), allow_pickle=True)
    with pytest.raises(PickleError, match="setattr"):
        load_object_array(tmp_path / "c.npy")
    assert not Loud.rang
    (tmp_path / "d.npy").write_bytes(b"no array")
    with pytest.raises(PickleError, match=r"no \.npy file"):
        load_object_array(tmp_path / "d.npy")


# Files of torch.save


@pytest.fixture(params=[True, False], ids=["zip", "chain"])
def save(request, tmp_path):
    import torch

    def write(thing, name="a.frame"):
        torch.save(thing, tmp_path / name, _use_new_zipfile_serialization=request.param)
        return tmp_path / name

    return write


def test_torch_files_of_arrays_and_tensors(save):
    import torch

    base = torch.arange(12.0).reshape(3, 4)
    thing = {
        "flame": {"exp": np.arange(3, dtype=np.float32), "shape": base},
        "transposed": base.T, "column": base[:, 1], "half": base.half(), "brain": base.bfloat16(),
        "long": torch.tensor([[1, -2]]), "flag": torch.tensor([True, False]),
        "number": torch.tensor(3.5), "none": torch.zeros(0, 3), "frame_id": 7,
        "parameter": torch.nn.Parameter(base), "size": base.shape, "device": base.device,
        "img_size": np.array([512, 512]), "scalar": np.float64(1.5),
    }  # fmt: skip
    back = read_torch_file(save(thing))
    for name, tensor in thing.items():
        if isinstance(tensor, torch.Tensor):
            truth = tensor.detach()
            truth = truth.float() if truth.dtype is torch.bfloat16 else truth
            assert same(truth.numpy(), back[name]), name
    assert same(base.numpy(), back["flame"]["shape"])
    assert same(thing["flame"]["exp"], back["flame"]["exp"])
    assert back["size"] == (3, 4)
    assert back["device"] == "cpu"
    assert (back["frame_id"], back["scalar"], back["img_size"].tolist()) == (7, 1.5, [512, 512])


def test_tensors_within_an_object_array(tmp_path):
    import torch

    np.save(tmp_path / "e.npy", {"bary": torch.rand(4, 3), "idx": torch.arange(4)},
            allow_pickle=True)  # fmt: skip
    back = load_object_array(tmp_path / "e.npy", TORCH).item()
    truth = np.load(tmp_path / "e.npy", allow_pickle=True).item()
    assert same(truth["bary"].numpy(), back["bary"])
    assert same(truth["idx"].numpy(), back["idx"])


def test_a_program_in_a_torch_file_is_never_run(save):
    with pytest.raises(PickleError, match=r"__builtin__\.setattr"):
        read_torch_file(save({"x": Loud()}))
    assert not Loud.rang


def test_truncated_torch_files(save):
    import torch

    path = save({"x": torch.rand(50)})
    data = path.read_bytes()
    for end in (0, 1, 5, 40, len(data) // 2, len(data) - 40):
        path.write_bytes(data[:end])
        with pytest.raises(PickleError):
            read_torch_file(path)


def test_a_zip_file_of_a_later_version_is_a_sentence(tmp_path):
    import torch

    torch.save({"x": torch.rand(5)}, tmp_path / "a.pt")
    data = bytearray((tmp_path / "a.pt").read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 200  # the version needed to read a member
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(PickleError, match="no intact file"):
        read_torch_file(tmp_path / "a.pt")


def test_a_tensor_cannot_look_beyond_its_storage(tmp_path):
    import torch

    torch.save(torch.arange(4, dtype=torch.float32), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    assert members[name].count(b"K\x04\x85") == 1
    members[name] = members[name].replace(b"K\x04\x85", b"K\x28\x85")
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    with pytest.raises(PickleError, match="beyond its storage"):
        read_torch_file(tmp_path / "b.pt")


def test_sizes_that_would_wrap_around_cannot_either():
    """numpy's small integers in a pickle: (6 - 1) × 8000 is less than nothing in int16."""
    storage = torch_files.Storage("<f4", np.zeros(10, np.float32))
    size, stride = (np.int16(6),), (np.int16(8000),)
    with pytest.raises(pickle.UnpicklingError, match="beyond its storage"):
        torch_files.rebuild_tensor(storage, 0, size, stride)
    view = torch_files.rebuild_tensor(storage, np.int16(2), (np.int16(3),), (np.int16(2),))
    assert view.shape == (3,)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


def test_a_compressed_torch_file_is_refused(tmp_path):
    import torch

    torch.save(torch.zeros(1000), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    with pytest.raises(PickleError, match="compressed"):
        read_torch_file(tmp_path / "b.pt")


def test_a_plain_pickle_is_no_torch_file(tmp_path):
    (tmp_path / "a.frame").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PickleError, match=r"no intact file of torch\.save"):
        read_torch_file(tmp_path / "a.frame")
    (tmp_path / "b.frame").write_bytes(struct.pack("<I", 7))
    with pytest.raises(PickleError):
        read_torch_file(tmp_path / "b.frame")
