"""Every odd and hostile picture that the tests know, made from code."""

from __future__ import annotations

from tests.pictures.harmful import HARMFUL
from tests.pictures.layouts import LAYOUTS
from tests.pictures.sound import SOUND
from tests.pictures.tiffs import TIFFS
from tests.pictures.tolerated import TOLERATED

SHOWN = SOUND + TOLERATED + LAYOUTS + TIFFS
CORPUS = SHOWN + HARMFUL
