# SPDX-License-Identifier: GPL-3.0-or-later
"""`head list`, `head import`, `head show`: the head models there are, and what they look like."""

from pathlib import Path

from PIL import Image

from ..config import HeadImport, HeadList, HeadShow
from ..errors import HeadError, InputError
from ..files import write_atomic
from ..jobs import Job
from .library import SOURCES, load_head_model
from .model import HeadModel
from .npz import write_head_npz

ENDINGS = (".npz", ".pkl")


def run_list(config: HeadList, job: Job) -> dict:
    """Say which head models there are.

    Raises:
        InputError: the folder is not there.
    """
    found = {"generic": f"built in, ours; {size(load_head_model('generic'))}"}
    if config.folder is not None:
        if not config.folder.is_dir():
            raise InputError(f"There is no folder {config.folder}.", "Give another folder.")
        paths = sorted(p for p in config.folder.iterdir() if p.suffix.lower() in ENDINGS)
        for done, path in enumerate(paths, 1):
            job.update(f"looking into {path.name}", done - 1, len(paths))
            try:
                model = load_head_model(path)
            except InputError as error:
                found[f"file {done}"] = f"{path}: not usable; {error.message}"
            else:
                found[f"file {done}"] = f"{path}: {model.mean.model_name}; {size(model)}"
    return found | {f"to be had: {name}": where for name, where in SOURCES.items()}


def run_import(config: HeadImport, job: Job) -> dict:
    """Convert SOURCE to OUT.npz.

    Raises:
        HeadError: SOURCE is no head model that is known.
        PickleError: SOURCE is a pickle that holds more than FLAME's data.
        InputError: OUT is no .npz, or is SOURCE itself.
        SpaceError: OUT could not be written.
    """
    check_ending(config.out, ".npz")
    if config.out.exists() and config.source.exists() and config.out.samefile(config.source):
        raise InputError(f"{config.out} is the head model itself.", "Choose another name for OUT.")
    if config.landmarks is not None and not config.landmarks.is_dir():
        raise InputError(f"There is no folder {config.landmarks}.", "Give another folder.")
    job.update("reading the head model", 0, 2)
    model = load_head_model(config.source, config.landmarks)
    if model.mean.model_name == "generic":
        raise HeadError("The generic head is built in.", "Say `generic` wherever it is wanted.")
    job.update("writing", 1, 2)
    write_head_npz(config.out, model)
    job.update("writing", 2, 2)
    return {"model": model.mean.model_name, "size": size(model), "out": str(config.out),
            "notes": "; ".join(model.notes)}  # fmt: skip


def run_show(config: HeadShow, job: Job) -> dict:
    """Write OUT.png, a picture sheet of MODEL.

    Raises:
        HeadError: MODEL is no head model that is known.
        InputError: OUT is no .png.
        SpaceError: OUT could not be written.
    """
    from .sheet import picture_sheet

    check_ending(config.out, ".png")
    model = load_head_model(config.model)
    sheet = picture_sheet(model, lambda done, of: job.update("picturing", done, of))
    write_atomic(config.out, lambda temporary: Image.fromarray(sheet).save(temporary))
    return {"model": model.mean.model_name, "size": size(model), "out": str(config.out),
            "notes": "; ".join(model.notes)}  # fmt: skip


def size(model: HeadModel) -> str:
    """What is in a model, in words."""
    head = model.mean
    return (
        f"{len(head.vertices):,} vertices, {len(model.identities)} identity modes, "
        f"{len(head.expression_names)} expressions"
    )


def check_ending(path: Path, ending: str) -> None:
    """Refuse another kind of file.

    Raises:
        InputError: the path ends differently.
    """
    if path.suffix.lower() != ending:
        raise InputError(f"{path} does not end with {ending}.", f"Call it OUT{ending}.")
