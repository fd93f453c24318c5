"""The ledger: which picture SuperOffice shows for each target, and who may change it."""

from image_ingest.ledger.claims import (
    CRASH_LIMIT,
    Claim,
    Ledger,
    Settled,
    StoredPicture,
    UploadClaim,
)
from image_ingest.ledger.order import Order, compare, is_time, same_upload
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
]
