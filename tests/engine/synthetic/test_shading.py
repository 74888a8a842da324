# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.head.model import JAW, REGIONS
from engine.head.motion import Motion
from engine.render.mesh import view_mesh
from engine.synthetic.command import frame_camera
from engine.synthetic.picture import Studio

NO_SHIFT = np.zeros(3, np.float32)
SMILE = {"mouthSmile": 0.9, "mouthUpperUp": 0.3, "mouthLowerDown": 0.2}


@pytest.fixture(scope="module")
def smile(person):
    """The studio, and psi and theta of a smile with parted lips."""
    names = person.head.expression_names
    psi = np.array([SMILE.get(n.removesuffix("Left").removesuffix("Right"), 0) for n in names])
    theta = np.zeros((5, 3), np.float32)
    theta[JAW, 0] = 0.12
    psi = psi.astype(np.float32)
    camera = frame_camera(person, Motion(psi[None], theta[None], NO_SHIFT[None]), 192)
    return Studio(person, camera), psi, theta


def test_teeth_show_in_a_smile_and_are_brighter_than_the_cavity(person, smile):
    studio, psi, theta = smile
    picture = studio.frame(psi, theta, NO_SHIFT)
    posed = person.pose(psi, theta, NO_SHIFT)
    surface, camera = person.surface, studio.camera
    view = view_mesh(posed.skin, surface.faces, camera)
    of = np.where(view.hit, surface.face_region[view.face], 255)
    bright = picture.image.astype(float).mean(-1)
    by_jaw = surface.tensors.skin_weights.numpy()[:, JAW][surface.faces[view.face]].max(-1)
    teeth = (of == REGIONS.index("teeth")) & (by_jaw == 0)  # the upper row
    cavity = of == REGIONS.index("mouth_cavity")
    assert teeth.sum() > 25
    assert cavity.sum() > 10
    assert np.median(bright[teeth]) > 2 * np.median(bright[cavity])
    assert np.percentile(bright[teeth], 75) > 120
    assert np.median(bright[cavity]) > 8  # dark, and no hole
