# SPDX-License-Identifier: GPL-3.0-or-later
"""The node group that merges two pictures by depth without fringes.

A pixel of the scene's picture C at the rim of an object in front of the avatar is a mixture of the
object's colour F and of what lies behind it, B: C = k F + (1 - k) B. The avatar A, of coverage a,
belongs between the two: k F + (1 - k) (A + (1 - a) B). A plain "over" would leave B's share of C on
the avatar, a bright fringe before a bright background.

Depths are not smooth at rims, so k comes from the colours: F and B are carried into the rim from
the pixels beside it, and C lies between them. Where they are much alike, as where a surface only
goes through the head, the depths' own border is smoothed instead. The object's share k F is what C
leaves when B's share is taken out of it; since k and B are guesses, it is held near k times the
object's colour beside the rim, so that a wrong guess moves the rim a little and never colours it.

Words: `front` is 1 where the scene is nearer than the avatar; the rim lies `RIM` pixels to either
side of its border.
"""

import bpy

from .. import blender_versions as versions

NAME = "PartNerFace Depth Merge"
VERSION = 4  # custom property of the group; older ones in a file are replaced
EMPTY = 1e9  # m; what is farther is nothing
RIM = 2  # px; half of Cycles' pixel filter and one for the depth's own roughness
REACH = 8  # px, how far colours are carried into the rim
# Squared difference of F and B at which colours and depths count alike. Where it is small a wrong k
# is hardly seen, and shading along the object would mislead the colours.
CONTRAST = 0.25
SURE = 0.9  # share of its pixel that a surface has one pixel inside the border, at least
BOUNDS = (0.5, 2.0)  # of the object's colour in the rim, times that beside it

Socket = bpy.types.NodeSocket

INPUTS = (
    ("Scene Image", "NodeSocketColor"),
    ("Scene Depth", "NodeSocketFloat"),
    ("Avatar Image", "NodeSocketColor"),
    ("Avatar Depth", "NodeSocketFloat"),
)
OUTPUTS = (
    ("Image", "NodeSocketColor"),
    ("Depth", "NodeSocketFloat"),
    ("Avatar Alpha", "NodeSocketFloat"),  # all of the avatar, hidden or not
    ("Avatar Visible", "NodeSocketFloat"),  # its share of the picture
    ("Scene Visible", "NodeSocketFloat"),  # the rest of the picture's alpha
)


def provide_group() -> bpy.types.NodeTree:
    """The file's merge group, made or brought to this version."""
    known = bpy.data.node_groups.get((NAME, None))  # none that is linked from another file
    if known is not None and known.get("version") == VERSION:
        return known
    group = make_group()
    if known is not None:
        known.user_remap(group)
        bpy.data.node_groups.remove(known)
        group.name = NAME
    return group


def make_group() -> bpy.types.NodeTree:
    """The merge, node by node."""
    group = bpy.data.node_groups.new(NAME, "CompositorNodeTree")
    group["version"] = VERSION
    for name, kind in INPUTS:
        group.interface.new_socket(name, in_out="INPUT", socket_type=kind)
    for name, kind in OUTPUTS:
        group.interface.new_socket(name, in_out="OUTPUT", socket_type=kind)
    start, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    scene, scene_depth, avatar, avatar_depth = start.outputs[:4]
    sheet = Sheet(group)

    scene_alpha, cover = sheet.alpha(scene), sheet.alpha(avatar)
    front = find_front(sheet, scene_depth, avatar_depth)
    surely_front = sheet.grow(front, -RIM)
    surely_back = sheet.math("SUBTRACT", 1.0, sheet.grow(front, RIM))
    rim = sheet.math("SUBTRACT", sheet.math("SUBTRACT", 1.0, surely_front), surely_back)
    behind, behind_alpha = carry_background(sheet, scene, scene_alpha, surely_back)
    object_colour, found = sheet.carry(scene, surely_front)
    object_colour = sheet.mix("MIX", found, scene, object_colour)
    share = find_share(sheet, scene, scene_alpha, front, object_colour, found, behind, behind_alpha)
    in_front = sheet.math("ADD", surely_front, sheet.math("MULTIPLY", rim, share))  # k

    room = sheet.math("SUBTRACT", 1.0, in_front)
    visible = sheet.math("MULTIPLY", room, cover)
    before = sheet.mix("SUBTRACT", room, scene, behind)  # k F = C - (1 - k) B
    held = hold_near(sheet, before, object_colour, in_front)
    # Only where there is an avatar and little of the object: elsewhere the scene's pixels stay.
    outside = sheet.math("SUBTRACT", 1.0, sheet.grow(front, -1))
    where = sheet.math("MULTIPLY", sheet.math("MULTIPLY", rim, outside), cover)
    before = sheet.mix("MIX", where, before, held)
    beyond = sheet.mix("ADD", sheet.math("SUBTRACT", 1.0, cover), avatar, behind)
    colour = sheet.mix("ADD", room, before, beyond)
    added = sheet.math("MULTIPLY", visible, sheet.math("SUBTRACT", 1.0, behind_alpha))
    alpha = sheet.math("ADD", scene_alpha, added)
    results = (
        sheet.with_alpha(colour, alpha),
        sheet.math("MINIMUM", scene_depth, avatar_depth),
        cover,
        visible,
        sheet.math("SUBTRACT", alpha, visible),
    )
    for number, result in enumerate(results):
        group.links.new(result, end.inputs[number])
    sheet.arrange(start, end)
    return group


def find_front(sheet: "Sheet", scene_depth: Socket, avatar_depth: Socket) -> Socket:
    """1 where the scene is nearer; beside the avatar as it is at the avatar's own border."""
    near = sheet.grow(avatar_depth, -(RIM + 2))
    empty = sheet.math("GREATER_THAN", avatar_depth, EMPTY)
    full = sheet.math("SUBTRACT", 1.0, empty)
    depth = sheet.math(
        "ADD", sheet.math("MULTIPLY", full, avatar_depth), sheet.math("MULTIPLY", empty, near)
    )
    return sheet.math("LESS_THAN", scene_depth, depth)


def carry_background(
    sheet: "Sheet", scene: Socket, scene_alpha: Socket, surely_back: Socket
) -> tuple[Socket, Socket]:
    """B and its alpha: the scene as it is behind the avatar, carried into the rim."""
    carried, found = sheet.carry(scene, surely_back)
    behind = sheet.mix("MIX", found, scene, carried)
    behind = sheet.mix("MIX", surely_back, behind, scene)
    alpha = sheet.grey(sheet.carry(scene_alpha, surely_back)[0])
    alpha = sheet.lerp(surely_back, sheet.lerp(found, scene_alpha, alpha), scene_alpha)
    return behind, alpha


def hold_near(sheet: "Sheet", before: Socket, object_colour: Socket, share: Socket) -> Socket:
    """The object's share k F of the picture, not far from k times its colour beside the rim."""
    expected = sheet.mix("MULTIPLY", 1.0, object_colour, share)
    for blend, bound in zip(("LIGHTEN", "DARKEN"), BOUNDS, strict=True):
        limit = sheet.mix("MULTIPLY", 1.0, expected, (bound, bound, bound, 1.0))
        before = sheet.mix(blend, 1.0, before, limit)
    return before


def find_share(
    sheet: "Sheet",
    scene: Socket,
    scene_alpha: Socket,
    front: Socket,
    object_colour: Socket,
    found: Socket,
    behind: Socket,
    behind_alpha: Socket,
) -> Socket:
    """How much of the pixel is the object in front: k."""
    whole = sheet.mix("SUBTRACT", 1.0, object_colour, behind)  # F - B
    part = sheet.mix("SUBTRACT", 1.0, scene, behind)  # C - B
    whole_alpha = sheet.math("SUBTRACT", 1.0, behind_alpha)
    part_alpha = sheet.math("SUBTRACT", scene_alpha, behind_alpha)
    along = sheet.math(
        "ADD",
        sheet.grey(sheet.mix("MULTIPLY", 1.0, part, whole)),
        sheet.math("MULTIPLY", part_alpha, whole_alpha),
    )
    length = sheet.math(
        "ADD",
        sheet.grey(sheet.mix("MULTIPLY", 1.0, whole, whole)),
        sheet.math("MULTIPLY", whole_alpha, whole_alpha),
    )
    by_colour = sheet.math("DIVIDE", along, sheet.math("MAXIMUM", length, 1e-9))
    # A whole pixel away from the depths' border the colours may say little against the depths.
    within = sheet.math("MULTIPLY", SURE, sheet.grow(front, -1))
    without = sheet.math("MULTIPLY", SURE, sheet.math("SUBTRACT", 1.0, sheet.grow(front, 1)))
    by_colour = sheet.math("MAXIMUM", by_colour, within)
    by_colour = sheet.math("MINIMUM", by_colour, sheet.math("SUBTRACT", 1.0, without))
    trust = sheet.math("DIVIDE", length, sheet.math("ADD", length, CONTRAST))
    trust = sheet.math("MULTIPLY", trust, found)
    return sheet.lerp(trust, sheet.grey(sheet.smooth(front)), by_colour)


class Sheet:
    """A node tree on which sockets are computed with as if they were numbers and colours."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def math(self, operation: str, first: Socket | float, second: Socket | float) -> Socket:
        """Two numbers make one."""
        node = versions.new_math(self.tree, operation)
        self._feed(node.inputs[0], first)
        self._feed(node.inputs[1], second)
        return node.outputs[0]

    def mix(
        self,
        blend: str,
        factor: Socket | float,
        first: Socket | tuple[float, ...],
        second: Socket | tuple[float, ...],
    ) -> Socket:
        """Two colours make one; the alpha is the first one's."""
        _, (at_factor, at_first, at_second), output = versions.new_mix(self.tree, blend)
        self._feed(at_factor, factor)
        self._feed(at_first, first)
        self._feed(at_second, second)
        return output

    def lerp(self, factor: Socket, at_zero: Socket, at_one: Socket) -> Socket:
        """Between two numbers."""
        step = self.math("SUBTRACT", at_one, at_zero)
        return self.math("ADD", at_zero, self.math("MULTIPLY", factor, step))

    def grow(self, mask: Socket, pixels: int) -> Socket:
        """The largest (smallest, of a negative number) value nearby."""
        return self._through(versions.new_growth(self.tree, pixels), mask)

    def carry(self, image: Socket, mask: Socket) -> tuple[Socket, Socket]:
        """The colours under the mask, carried `REACH` pixels beyond it, and where there are any.

        A blur of both, the one over the other. The Inpaint node would seem made for it, but gives
        arbitrary numbers in Blender 4.5 where the mask is empty.
        """
        under = self.with_alpha(self.mix("MULTIPLY", 1.0, image, mask), mask)
        blurred = self._through(versions.new_blur(self.tree, REACH), under)
        weight = self.alpha(blurred)
        found = self.math("GREATER_THAN", weight, 1e-4)
        return self.mix("DIVIDE", found, blurred, self.math("MAXIMUM", weight, 1e-4)), found

    def smooth(self, mask: Socket) -> Socket:
        """A mask's steps as anti-aliased edges."""
        return self._through(self.tree.nodes.new("CompositorNodeAntiAliasing"), mask)

    def grey(self, image: Socket) -> Socket:
        """A colour's luminance."""
        return self._through(self.tree.nodes.new("CompositorNodeRGBToBW"), image)

    def alpha(self, image: Socket) -> Socket:
        """A picture's alpha."""
        node = self.tree.nodes.new("CompositorNodeSeparateColor")
        self.tree.links.new(image, node.inputs[0])
        return node.outputs["Alpha"]

    def with_alpha(self, image: Socket, alpha: Socket) -> Socket:
        """The same colours with another alpha."""
        node = versions.new_replace_alpha(self.tree)
        self.tree.links.new(image, node.inputs[0])
        self.tree.links.new(alpha, node.inputs[1])
        return node.outputs[0]

    def arrange(self, start: bpy.types.Node, end: bpy.types.Node) -> None:
        """Lay the nodes out in columns, each to the right of all that it needs."""
        column = {start: 0}
        nodes = [node for node in self.tree.nodes if node not in (start, end)]
        for node in [*nodes, end]:  # made in this order, so what it needs has its column
            sources = [socket.links[0].from_node for socket in node.inputs if socket.is_linked]
            column[node] = 1 + max((column[source] for source in sources), default=0)
        rows: dict[int, int] = {}
        for node, number in column.items():
            node.location = number * 190, -170 * rows.get(number, 0)
            rows[number] = rows.get(number, 0) + 1
            node.hide = node not in (start, end)

    def _through(self, node: bpy.types.Node, value: Socket) -> Socket:
        self.tree.links.new(value, node.inputs[0])
        return node.outputs[0]

    def _feed(self, socket: Socket, value: Socket | float | tuple[float, ...]) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value
