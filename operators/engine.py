# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: check it, stop it."""

from collections.abc import Callable

import bpy

from ..engine.errors import PartNerFaceError
from ..partnerface_blender.connection import engine_check, engine_link
from .waiting import WaitingOperator


class PARTNERFACE_OT_check_engine(WaitingOperator, bpy.types.Operator):
    """Ask the engine's environment what it has and what it lacks."""

    bl_idname = "partnerface.check_engine"
    bl_label = "Check Engine"
    bl_description = "Ask the engine's environment what it has and what it lacks"
    bl_options = {"REGISTER", "INTERNAL"}

    waiting_text = "PartNerFace: checking the engine"

    def prepare(self, context: bpy.types.Context) -> Callable[[], dict]:
        """Read the settings."""
        settings = engine_link.read_settings()
        return lambda: engine_check.run_doctor(settings)

    def finish(self, context: bpy.types.Context, result: dict) -> None:
        """Say what was found."""
        problems = result.get("problems") or []
        if problems:
            told = "; ".join(str(problem).rstrip(".") for problem in problems)
            raise PartNerFaceError(
                f"The engine has a problem: {told}.",
                "Press Repair in the add-on's preferences, or choose another environment.",
            )
        self.report({"INFO"}, f"The engine is ready: {engine_check.in_one_line(result)}.")


class PARTNERFACE_OT_stop_engine(bpy.types.Operator):
    """End the engine's process; the next render starts another."""

    bl_idname = "partnerface.stop_engine"
    bl_label = "Stop Engine"
    bl_description = "End the engine's process; the next render starts another"
    bl_options = {"REGISTER", "INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only when one runs."""
        cls.poll_message_set("The engine is not running")
        return engine_link.running_engine() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """End it."""
        engine_link.stop_engine()
        return {"FINISHED"}


CLASSES = (PARTNERFACE_OT_check_engine, PARTNERFACE_OT_stop_engine)
