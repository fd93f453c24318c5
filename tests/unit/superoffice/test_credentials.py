"""A credential that several threads use: a refusal of an old one does not undo a renewal."""

from __future__ import annotations

from dataclasses import dataclass

from image_ingest.deadline import Deadline
from image_ingest.superoffice import Calls
from image_ingest.superoffice.credentials import Credential, CredentialSource
from image_ingest.timing import Timing


@dataclass
class Login:
    """Issues credentials and counts them."""

    lasts: float = 100.0
    slides: bool = False
    given: int = 0
    now: float = 0.0

    def __call__(self, *_attempt: object) -> Credential:
        self.given += 1
        return Credential({"Authorization": f"Bearer {self.given}"}, self.lasts, self.slides)

    def clock(self) -> float:
        return self.now


def test_a_refusal_of_an_older_credential_does_not_undo_a_renewal() -> None:
    login = Login()
    source = CredentialSource(login, Timing(), login.clock)
    attempt = (Deadline(10), Calls())
    old = source.get(*attempt)
    source.note_refused(old)
    new = source.get(*attempt)
    source.note_refused(old)
    assert source.get(*attempt) is new
    assert (login.given, new != old) == (2, True)


def test_a_use_renews_a_sliding_credential_only_and_the_current_one_only() -> None:
    for slides, logins in ((True, 1), (False, 2)):
        login = Login(slides=slides)
        source = CredentialSource(login, Timing(), login.clock)
        attempt = (Deadline(10), Calls())
        login.now = 99
        source.get(*attempt)
        login.now = 190
        source.note_accepted(source.get(*attempt))
        login.now = 200
        source.get(*attempt)
        assert login.given == logins


def test_a_late_use_of_an_older_credential_does_not_renew_the_current_one() -> None:
    login = Login(slides=True)
    source = CredentialSource(login, Timing(), login.clock)
    attempt = (Deadline(10), Calls())
    old = source.get(*attempt)
    source.note_refused(old)
    source.get(*attempt)
    login.now = 90
    source.note_accepted(old)
    login.now = 100
    source.get(*attempt)
    assert login.given == 3


def test_a_credential_is_not_shown() -> None:
    assert "5ecret" not in repr(Credential({"Authorization": "Bearer 5ecret"}))
