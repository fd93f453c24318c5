"""The shared rate limit's item in the ledger's table: one per tenant, whose key no target has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from image_ingest.ledger.table import Table
from image_ingest.superoffice import SlotItem, SlotRequest

_NOT_BLOCKED = "(attribute_not_exists(blocked_until) OR blocked_until <= :now)"
_APPEND = "SET next_slot = next_slot + :gap, written_at = :now"
_RESTART = "SET next_slot = :after_fresh, written_at = :now"
_BLOCK = "SET blocked_until = :until, blocked_code = :code, written_at = :now"


class TableSlots:
    """Slots that everything shares which calls this tenant through this table."""

    def __init__(self, table: Table, tenant: str) -> None:
        self._table = table
        self._key = f"#rate#{tenant}"

    def append(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes the next free slot if it is from `earliest` to `latest` and no block lasts beyond `now`."""
        condition = f"next_slot >= :earliest AND next_slot <= :latest AND {_NOT_BLOCKED}"
        return self._write(
            _APPEND, condition, gap=request.gap, now=request.now, earliest=request.earliest, latest=request.latest
        )

    def restart(self, request: SlotRequest) -> tuple[bool, SlotItem]:
        """Takes `fresh` if the next free slot is before `earliest` and no block lasts beyond `now`."""
        condition = f"(attribute_not_exists(next_slot) OR next_slot < :earliest) AND {_NOT_BLOCKED}"
        after = request.fresh + request.gap
        return self._write(_RESTART, condition, after_fresh=after, now=request.now, earliest=request.earliest)

    def block(self, until: float, code: str, now: float) -> tuple[bool, SlotItem]:
        """Blocks every call until then, unless a longer block is in force."""
        condition = "(attribute_not_exists(blocked_until) OR blocked_until < :until)"
        return self._write(_BLOCK, condition, until=until, code=code, now=now)

    def _write(self, update: str, condition: str, **operands: float | str) -> tuple[bool, SlotItem]:
        values = {f":{name}": _encode(value) for name, value in operands.items()}
        written, before = self._table.write(self._key, update, condition, values)
        return written, SlotItem(
            next_slot=float(before.get("next_slot", 0)),
            written_at=float(before.get("written_at", 0)),
            blocked_until=float(before.get("blocked_until", 0)),
            blocked_code=before.get("blocked_code", ""),
        )


def _encode(value: float | str) -> Any:
    return value if isinstance(value, str) else Decimal(f"{value:.6f}")
