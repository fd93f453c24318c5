"""SuperOffice CRM: where its API is, how this function is let in, and the pictures of its records."""

from image_ingest.superoffice.address import is_loopback
from image_ingest.superoffice.client import ApiRequest, SuperOffice
from image_ingest.superoffice.connection import Response
from image_ingest.superoffice.rate_limit import RateLimit, RateLimits
from image_ingest.superoffice.responses import ImageInfo, describe_response
from image_ingest.superoffice.secret import SCHEMES, ParsedSecret, Secret, SecretSource, parse_secret
from image_ingest.superoffice.slots import MemorySlots, SlotItem, SlotRequest, Slots
from image_ingest.superoffice.transport import Calls

__all__ = [
    "SCHEMES",
    "ApiRequest",
    "Calls",
    "ImageInfo",
    "MemorySlots",
    "ParsedSecret",
    "RateLimit",
    "RateLimits",
    "Response",
    "Secret",
    "SecretSource",
    "SlotItem",
    "SlotRequest",
    "Slots",
    "SuperOffice",
    "describe_response",
    "is_loopback",
    "parse_secret",
]
