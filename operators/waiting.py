# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that wait for the engine without stopping the interface.

A button starts the work in a thread and the operator stays modal until it has come; a script (and
Blender in the background) simply waits. Either way failures are one sentence.
"""

import threading
from collections.abc import Callable

import bpy

from ..engine.errors import PartNerFaceError
from ..partnerface_blender.failures import own_mistake

POLL_S = 0.1


class Outcome:
    """What came of the work. The thread holds this and not the operator, which Esc deletes."""

    def __init__(self) -> None:
        self.result: object = None
        self.error: PartNerFaceError | None = None

    def take(self, work: Callable[[], object]) -> None:
        """Do the work and keep what comes of it."""
        try:
            self.result = work()
        except PartNerFaceError as error:
            self.error = error
        except Exception as error:
            self.error = own_mistake(error)


class WaitingOperator:
    """Mix-in: `prepare` reads the context and gives the work, `finish` takes its result."""

    waiting_text = "PartNerFace: waiting for the engine"

    def prepare(self, context: bpy.types.Context) -> Callable[[], object]:
        """The work: a function that touches no bpy. May raise `PartNerFaceError`."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, result: object) -> None:
        """Put the result into Blender, on the main thread. May raise `PartNerFaceError`."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Wait for the work."""
        try:
            self.finish(context, self.prepare(context)())
        except PartNerFaceError as error:
            return refuse(self, error)
        except Exception as error:
            return refuse(self, own_mistake(error))
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start the work and go modal."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        try:
            work = self.prepare(context)
        except PartNerFaceError as error:
            return refuse(self, error)
        self._outcome = Outcome()
        self._thread = threading.Thread(target=self._outcome.take, args=(work,), daemon=True)
        self._thread.start()
        manager = context.window_manager
        self._timer = manager.event_timer_add(POLL_S, window=context.window)
        manager.modal_handler_add(self)
        context.workspace.status_text_set(self.waiting_text)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Look whether the work is done; Esc stops waiting for it."""
        if event.type == "ESC":
            self._leave(context)
            return {"CANCELLED"}
        if event.type != "TIMER" or self._thread.is_alive():
            return {"PASS_THROUGH"}
        self._leave(context)
        try:
            if self._outcome.error is not None:
                raise self._outcome.error
            self.finish(context, self._outcome.result)
        except PartNerFaceError as error:
            return refuse(self, error)
        except Exception as error:
            return refuse(self, own_mistake(error))
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """The window is closed, or another file opened, while it waits."""
        self._leave(context)

    def _leave(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)


class FileOperator(WaitingOperator):
    """Mix-in: a `WaitingOperator` on a file, `filepath`, that is asked for where none is given."""

    def ask(self, context: bpy.types.Context) -> None:
        """Offer what fits the scene, before the file selector opens."""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the file, if none is given."""
        if not self.filepath and not bpy.app.background:
            self._asked = True
            self.ask(context)
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        return super().invoke(context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Wait; but after the file selector begin anew, so that the interface goes on."""
        if not getattr(self, "_asked", False):
            return super().execute(context)
        operator = getattr(bpy.ops.partnerface, type(self).__name__.partition("_OT_")[2])
        operator("INVOKE_DEFAULT", **self.as_keywords())
        return {"CANCELLED"}


def refuse(operator: bpy.types.Operator, error: PartNerFaceError) -> set[str]:
    """Report the sentence; what an operator returns that could not do its work."""
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}
