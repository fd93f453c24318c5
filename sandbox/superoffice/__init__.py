"""A SuperOffice stand-in: an HTTP server that implements SuperOffice's published interfaces."""

from sandbox.superoffice.keys import get_certificate, get_private_pem, get_rsa_key, prepare_keys
from sandbox.superoffice.stand_in import AUTHS, StandIn
from sandbox.superoffice.state import Call, StoredPicture

__all__ = [
    "AUTHS",
    "Call",
    "StandIn",
    "StoredPicture",
    "get_certificate",
    "get_private_pem",
    "get_rsa_key",
    "prepare_keys",
]
