"""The ledger: which picture SuperOffice shows for each target, and who may change it."""

from image_ingest.ledger.claims import CRASH_LIMIT, Ledger
from image_ingest.ledger.order import Order, compare, is_time, same_upload
from image_ingest.ledger.records import Claim, StoredPicture, UploadClaim
from image_ingest.ledger.settling import Settled, settle
from image_ingest.ledger.slots import TableSlots
from image_ingest.ledger.table import Item, Table

__all__ = [
    "CRASH_LIMIT",
    "Claim",
    "Item",
    "Ledger",
    "Order",
    "Settled",
    "StoredPicture",
    "Table",
    "TableSlots",
    "UploadClaim",
    "compare",
    "is_time",
    "same_upload",
    "settle",
]
