"""Rare layouts of sound pictures: each looks like the scene."""

from __future__ import annotations

from tests.pictures.scene import Sample

LAYOUTS: tuple[Sample, ...] = ()
