"""Which dead letters the operator selects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.errors import CommandError, usage_error

NO_CODE = "(none)"  # shown and accepted for the code of a message that the queue itself moved


@dataclass(frozen=True)
class Selection:
    """Dead letters by the beginning of their ids, by code, by key (`*` matches anything), or all of them."""

    ids: Sequence[str] = ()
    code: str | None = None
    key: str | None = None
    all: bool = False

    def require(self) -> None:
        """Raises CommandError if nothing is selected, so that nothing happens to all letters by accident."""
        if not (self.ids or self.code or self.key or self.all):
            raise usage_error("Select dead letters by id, --code, --key or --all.")

    @property
    def is_everything(self) -> bool:
        """Whether all dead letters are selected."""
        return self.all and not (self.ids or self.code or self.key)

    def select(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The selected ones. Raises CommandError if an id matches none or several."""
        for beginning in self.ids:
            count = sum(letter.id.startswith(beginning) for letter in letters)
            if count != 1:
                raise CommandError(f"{count} dead letters have an id that begins with {beginning}.")
        return [letter for letter in letters if self._matches(letter)]

    def _matches(self, letter: DeadLetter) -> bool:
        return (
            (not self.ids or letter.id.startswith(tuple(self.ids)))
            and self.code in {None, letter.code or NO_CODE}
            and (self.key is None or fnmatchcase(letter.key or "", self.key))
        )
