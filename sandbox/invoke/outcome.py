"""What the function answered, read from the emulator's response or from the output of `sam local invoke`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

DONE = frozenset({"stored", "unchanged", "duplicate"})  # SuperOffice shows this photo


@dataclass(frozen=True)
class Answer:
    """The outcome, with the blob id or with the code and message of an error."""

    outcome: str
    blob_id: int | None = None
    text: str = ""

    @property
    def is_done(self) -> bool:
        """Whether SuperOffice has the photo."""
        return self.outcome in DONE

    def __str__(self) -> str:
        about = f"blob id {self.blob_id}" if self.blob_id is not None else self.text
        return f"{self.outcome}: {about}" if about else self.outcome


def parse_answer(text: str) -> Answer:
    """`text` ends with the function's answer as JSON; SAM prints the log before it."""
    for line in reversed(text.strip().splitlines()):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict):
            return _read(answer)
    return Answer("failed", text=(text.strip().splitlines() or ["no answer"])[-1])


def _read(answer: dict[str, Any]) -> Answer:
    if "errorType" in answer:
        outcome = "deferred" if answer["errorType"] == "IngestDeferred" else "failed"
        return Answer(outcome, text=f"{answer['errorType']}: {answer.get('errorMessage', '')}")
    (result,) = answer["results"]
    error = ": ".join(filter(None, (result["error_code"], result["message"])))
    return Answer(result["outcome"], result["blob_id"], error)
