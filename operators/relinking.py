# SPDX-License-Identifier: GPL-3.0-or-later
"""Missing avatar files found again; paths made relative."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.relinking import links
from .waiting import refuse


class PARTNERFACE_OT_find_avatar(bpy.types.Operator):
    """Find the avatar files that are missing: one file, or a folder that is searched."""

    bl_idname = "partnerface.find_avatar"
    bl_label = "Find Missing Avatar"
    bl_description = (
        "Choose the avatar file that is missing, or a folder: it is searched for every missing "
        "avatar, by what the file is first and by its name then"
    )
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(
        name="File", description="The avatar file, or empty to search", subtype="FILE_PATH"
    )
    directory: StringProperty(
        name="Folder", description="The folder that is searched", subtype="DIR_PATH"
    )
    filter_glob: StringProperty(
        name="Filter",
        description="Which files to show",
        default="*.safetensors",
        options={"HIDDEN"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the place."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Relink what is found, and say what is still missing."""
        path = Path(bpy.path.abspath(self.filepath)) if self.filepath else None
        folder = Path(bpy.path.abspath(self.directory)) if self.directory else None
        links.look_again()
        lost = links.missing_rigs()
        chosen = avatar_of(context)
        rig = chosen if chosen in lost else next(iter(lost), chosen)
        if rig is None:
            self.report({"INFO"}, "No avatar is missing.")
            return {"CANCELLED"}
        doubtful: list[str] = []
        try:
            if path is not None and path.is_file():
                doubtful += [] if links.choose(rig, path) else [rig.name]
                folder = folder or path.parent
            if folder is not None and folder.is_dir():
                doubtful += links.search(folder, **links.ASKED)[1]
        except PartNerFaceError as error:
            return refuse(self, error)
        links.look_again()
        return self._say(lost, doubtful, folder)

    def _say(
        self, lost: list[bpy.types.Object], doubtful: list[str], folder: Path | None
    ) -> set[str]:
        """One sentence on what came of it."""
        still = [rig.name for rig in links.missing_rigs()]
        if still:
            self.report({"ERROR"}, f"{', '.join(still)}: no such avatar in {folder or 'there'}. "
                                   "Choose another folder, or its file itself.")  # fmt: skip
            return {"CANCELLED"} if len(still) == len(lost) else {"FINISHED"}
        if doubtful:
            self.report({"WARNING"}, f"{', '.join(doubtful)}: this is another avatar than before, "
                                     "of the same name or chosen by you.")  # fmt: skip
        else:
            self.report({"INFO"}, "Every avatar has its file again.")
        return {"FINISHED"}


class PARTNERFACE_OT_set_paths(bpy.types.Operator):
    """Make the paths of avatars, clips and captures relative to the .blend, or absolute."""

    bl_idname = "partnerface.set_paths"
    bl_label = "PartNerFace Paths"
    bl_description = (
        "Make the paths of avatars, clips and captures relative to this file, so that both can "
        "move together, or absolute"
    )
    bl_options = {"REGISTER", "UNDO"}

    relative: BoolProperty(
        name="Relative", description="Relative to this file instead of absolute", default=True
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Change them."""
        try:
            changed = links.set_relative(self.relative)
        except PartNerFaceError as error:
            return refuse(self, error)
        self.report({"INFO"}, f"{changed} PartNerFace paths were changed.")
        return {"FINISHED"}


CLASSES = (PARTNERFACE_OT_find_avatar, PARTNERFACE_OT_set_paths)
