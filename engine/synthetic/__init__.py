# SPDX-License-Identifier: GPL-3.0-or-later
"""A procedural person with exact ground truth, whom the linear head model does not wholly explain.

`person` puts the subject together from its seed: `fields` (where on the skin a point lies),
`creases` (what expression adds beyond the linear model), `hair`, `look` (colours and light).
`picture` renders it with `skin` and `light`; `motion` moves it; `truth` keeps and measures the
true surface; `command` writes the capture folder.
"""
