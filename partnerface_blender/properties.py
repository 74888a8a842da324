# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene and an avatar's rig remember, saved in the .blend."""

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from .blender_versions import RELATIVE_PATH
from .compositing import outputs, proxy
from .relinking import links

QUALITIES = (  # the numbers are what .blend files hold
    ("exact", "Exact", "Every sample goes through the avatar's networks", "NONE", 0),
    ("frame-baked", "Frame Baked",
     "The fine motion is computed once a frame and interpolated: hardly a difference to be seen",
     "NONE", 2),
    ("preview", "Preview",
     "Baked colours without the fine motion or reflections: fast enough to play", "NONE", 1),
)  # fmt: skip


OVERRIDABLE = {"LIBRARY_OVERRIDABLE"}  # by an artist who links the avatar from another file


def ask_for_passes(settings: "PARTNERFACE_PG_scene", context: bpy.types.Context) -> None:
    """Let render layer nodes have the outputs that a render will fill."""
    outputs.look_up_passes(settings.id_data)


def switch_proxy(avatar: "PARTNERFACE_PG_avatar", context: bpy.types.Context) -> None:
    """Let the head mesh do what the switches say."""
    proxy.apply_switches(avatar)


def show_live(avatar: "PARTNERFACE_PG_avatar", context: bpy.types.Context) -> None:
    """Hide the head mesh for the neural head, or give it back."""
    from .viewport import cover

    cover.settle(avatar)


def know_again(avatar: "PARTNERFACE_PG_avatar", context: bpy.types.Context) -> None:
    """Keep on the rig what its new file is, so that it is found again where it is moved."""
    links.note_path(avatar.id_data)


class PARTNERFACE_PG_avatar(bpy.types.PropertyGroup):
    """On the rig object: which avatar it drives."""

    path: StringProperty(
        name="Avatar File",
        description="The avatar's .safetensors file; // means beside the .blend",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
        override=OVERRIDABLE,
        update=know_again,
    )
    fingerprint: StringProperty(
        name="Fingerprint",
        description="What tells this avatar's file from others wherever it lies",
    )
    seen_at: StringProperty(
        name="Seen At",
        description="Where the avatar's file was when this was saved, in full: appended or made "
        "local, a relative path leads elsewhere",
        options={"HIDDEN"},
    )
    # A pointer also keeps the mesh in every depsgraph the rig is in, even when it is hidden.
    head: PointerProperty(
        name="Head Mesh",
        description="The mesh whose shape keys are the avatar's expressions",
        type=bpy.types.Object,
        override=OVERRIDABLE,
    )
    quality: EnumProperty(
        name="Quality",
        description="How finely the engine samples this avatar in final renders",
        items=QUALITIES,
        default="exact",
        override=OVERRIDABLE,
    )
    live: BoolProperty(
        name="Live in Viewports",
        description="Show the neural head in viewports instead of the head mesh",
        default=True,
        update=show_live,
        override=OVERRIDABLE,
    )
    covers: BoolProperty(
        name="Head Hidden",
        description="The head mesh has been hidden for the neural head",
        options={"HIDDEN"},
        override=OVERRIDABLE,
    )
    head_was_hidden: BoolProperty(
        name="Head Was Hidden",
        description="The head mesh was hidden before, and stays so when it is given back",
        options={"HIDDEN"},
        override=OVERRIDABLE,
    )
    casts_shadow: BoolProperty(
        name="Cast Shadows",
        description="Let the head mesh, unseen itself, throw shadows in Cycles and EEVEE renders",
        default=False,
        update=switch_proxy,
        override=OVERRIDABLE,
    )
    shows_in_reflections: BoolProperty(
        name="Show in Reflections",
        description="Let the head mesh, unseen itself, appear in mirrors, behind glass, and in the "
        "light that surfaces give each other; EEVEE's mirrors need a light probe plane",
        default=False,
        update=switch_proxy,
        override=OVERRIDABLE,
    )
    holds_out: BoolProperty(
        name="Hold Out",
        description="Let the head mesh cut a hole into Cycles and EEVEE renders, for pictures that "
        "are put together in another program; Set Up Compositor needs none",
        default=False,
        update=switch_proxy,
        override=OVERRIDABLE,
    )


class PARTNERFACE_PG_scene(bpy.types.PropertyGroup):
    """On the scene: the steps from a clip to an avatar."""

    clip: StringProperty(
        name="Clip",
        description="Video of one head, filmed with one camera",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
    )
    head_model: StringProperty(
        name="Head Model",
        description="The parametric head to track with: generic, or the path of an npz file",
        default="generic",
    )
    size: IntProperty(
        name="Size",
        description="Width and height of the stored pictures",
        default=512,
        min=64,
        max=2048,
        subtype="PIXEL",
    )
    frames: StringProperty(
        name="Frames",
        description="Range A-B of the clip's frames, counted from 0; the whole clip when empty",
    )
    capture: StringProperty(
        name="Capture Folder",
        description="Where the tracked clip is written, and what training reads",
        subtype="DIR_PATH",
        options=RELATIVE_PATH,
    )
    method: EnumProperty(
        name="Method",
        description="How the avatar deforms",
        items=(
            ("partnerface", "PartNerFace", "One small network for each part of the face, blended"),
            ("global", "Global", "One network of equal size for the whole head"),
        ),
    )
    preset: EnumProperty(
        name="Preset",
        description="Size of the model and length of the training",
        items=(
            ("standard", "Standard", "For pictures of 128 to 192 pixels; minutes on a processor"),
            ("draft", "Draft", "Small and quick, for a first look"),
            ("high", "High", "For pictures of 256 pixels and more; wants a GPU"),
        ),
    )
    steps: IntProperty(
        name="Steps",
        description="Training steps; 0 takes the preset's number",
        default=0,
        min=0,
        max=1_000_000,
    )
    device: EnumProperty(
        name="Device",
        description="Where captures and trainings compute",
        items=(
            ("auto", "Automatic", "The GPU where there is one"),
            ("cpu", "CPU", "The processor"),
            ("cuda", "CUDA", "An NVIDIA GPU"),
        ),
    )
    avatar_folder: StringProperty(
        name="Avatar Folder",
        description="Where training writes the avatar file and its checkpoints",
        subtype="DIR_PATH",
        options=RELATIVE_PATH,
    )
    export_resolution: IntProperty(
        name="Resolution",
        description="Cells along the longest side of the head when its surface is extracted",
        default=160,
        min=32,
        max=512,
    )
    job: StringProperty(
        name="Job",
        description="Folder of the capture, training or export that was started last",
        subtype="DIR_PATH",
        options=RELATIVE_PATH,
    )
    part_passes: BoolProperty(
        name="Part Passes",
        description="Add one mask pass for each part of the face to PartNerFace renders",
        default=False,
        update=ask_for_passes,
    )
    colour: EnumProperty(
        name="Colour",
        description="How the avatars' colours get through the scene's view transform",
        items=(
            (
                "AS_FILMED",
                "As Filmed",
                "Under any view transform, look, exposure and gamma the "
                "avatars look as they do in the video",
            ),
            (
                "SCENE_REFERRED",
                "Scene-Referred",
                "The video's colours count as light in the scene, "
                "and the view transform changes them as it changes everything else",
            ),
        ),
    )
    artist_scene: PointerProperty(
        name="Artist's Scene",
        description="In an avatar scene: the scene whose avatars it renders",
        type=bpy.types.Scene,
    )
    avatar_scene: PointerProperty(
        name="Avatar Scene",
        description="The scene that renders this scene's avatars for the compositor",
        type=bpy.types.Scene,
    )


OWNERS = {bpy.types.Object: PARTNERFACE_PG_avatar, bpy.types.Scene: PARTNERFACE_PG_scene}


def attach() -> None:
    """Hang the groups on their owners as `partnerface`."""
    for owner, group in OWNERS.items():
        owner.partnerface = PointerProperty(
            type=group,
            name="PartNerFace",
            description="What PartNerFace remembers here",
            override=OVERRIDABLE,
        )


def detach() -> None:
    """Take the groups off again; what they hold stays in the .blend."""
    for owner in OWNERS:
        del owner.partnerface


def is_avatar(item: bpy.types.Object | None) -> bool:
    """Whether the object is an avatar's rig."""
    return item is not None and item.type == "ARMATURE" and bool(item.partnerface.path)


def avatar_of(context: bpy.types.Context) -> bpy.types.Object | None:
    """The rig that the context means: active, or the active head's, or the scene's only one."""
    active = context.active_object
    for candidate in (active, active.parent if active else None):
        if is_avatar(candidate):
            return candidate
    rigs = [item for item in context.scene.objects if is_avatar(item)]
    return rigs[0] if len(rigs) == 1 else None


CLASSES = (PARTNERFACE_PG_avatar, PARTNERFACE_PG_scene)
