"""A credential in the hands of several threads: what one has renewed, another's refusal does not undo."""

from __future__ import annotations

from dataclasses import dataclass

from image_ingest.deadline import Deadline
from image_ingest.superoffice.attempt import Attempt, Calls
from image_ingest.superoffice.credentials import Credential, Grant


@dataclass
class Login:
    """Gives out grants and counts them."""

    lasts: float = 100.0
    slides: bool = False
    given: int = 0
    now: float = 0.0

    def __call__(self, _attempt: Attempt) -> Grant:
        self.given += 1
        return Grant({"Authorization": f"Bearer {self.given}"}, self.lasts, self.slides)

    def clock(self) -> float:
        return self.now


def test_a_refusal_of_an_older_grant_does_not_undo_a_renewal() -> None:
    login = Login()
    credential = Credential(login, login.clock)
    attempt = Attempt(Deadline(10), Calls())
    old = credential.grant(attempt)
    credential.refused(old)
    new = credential.grant(attempt)
    credential.refused(old)
    assert credential.grant(attempt) is new
    assert (login.given, new != old) == (2, True)


def test_a_use_renews_a_sliding_grant_only_and_the_current_one_only() -> None:
    for slides, logins in ((True, 1), (False, 2)):
        login = Login(slides=slides)
        credential = Credential(login, login.clock)
        attempt = Attempt(Deadline(10), Calls())
        login.now = 99
        credential.grant(attempt)
        login.now = 190
        credential.accepted(credential.grant(attempt))
        login.now = 200
        credential.grant(attempt)
        assert login.given == logins


def test_a_grant_is_not_shown() -> None:
    assert "5ecret" not in repr(Grant({"Authorization": "Bearer 5ecret"}))
