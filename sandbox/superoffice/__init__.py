"""A SuperOffice stand-in: a real HTTP server that behaves as SuperOffice's published interfaces say."""

from sandbox.superoffice.stand_in import AUTHS, StandIn
from sandbox.superoffice.state import Call, StoredPicture

__all__ = ["AUTHS", "Call", "StandIn", "StoredPicture"]
