# SPDX-License-Identifier: GPL-3.0-or-later
"""NerFACE's layout. Not finished."""

NAME = "nerface"
LOOKS_FOR = "transforms_train.json whose frames have an expression"


def fits(folder):
    return False


def read(folder, model, options):
    raise NotImplementedError


def retrack(config, job):
    raise NotImplementedError
