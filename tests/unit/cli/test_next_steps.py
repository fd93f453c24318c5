"""The next step that `image-ingest explain` gives in each state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from image_ingest.aws import StoredObject
from image_ingest.errors import CATALOGUE
from image_ingest.outcome import Outcome
from image_ingest.picture import Picture
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload, UploadIdentity
from image_ingest_cli.aws.dead_letters import DeadLetter
from image_ingest_cli.diagnosis.explanation import Explanation
from image_ingest_cli.diagnosis.explanation_text import build_document, build_sections
from image_ingest_cli.diagnosis.next_steps import find_next_steps
from image_ingest_cli.diagnosis.prediction import Inspection, Prediction

TARGET = Target("person", 7)
UPLOAD = Upload("b", "photos/it's me.jpg", "1")
IDENTITY = UploadIdentity("b", UPLOAD.key, "1", None, "2026-10-05T10:00:00Z", "e")
OTHER = UploadIdentity("b", UPLOAD.key, "2", None, "2026-10-05T10:00:01Z", "e")
REMOVAL = Removal("b", UPLOAD.key, "3", None, "2026-10-05T10:00:02Z")
REMOVAL_IDENTITY = UploadIdentity("b", UPLOAD.key, "3", None, "2026-10-05T10:00:02Z", "", is_removal=True)
LETTER = DeadLetter("0123456789", "r", "{}", "image.unreadable", "m", 3, TARGET, "2026-10-05T10:00:00Z", ())
RETRIED = "The upload is retried automatically."
FORGET, RESEND = "image-ingest forget person 7", "image-ingest resend --prefix photos/newest.jpg"
UNREADABLE_ADVICE = CATALOGUE["image.unreadable"].advice


def _explain(
    outcome: Outcome | None,
    code: str | None = None,
    *,
    letter: bool = False,
    status: str | None = None,
    attempt: UploadIdentity = IDENTITY,
) -> Explanation:
    item: dict[str, Any] = (
        {} if status is None else {"status": status, "attempt": attempt.as_map(), "key": "photos/newest.jpg"}
    )
    inspection = None
    if outcome is not None:
        prediction = Prediction(outcome, code, "m")
        inspection = Inspection(UPLOAD, identity=IDENTITY, target=TARGET, item=item, prediction=prediction)
    return Explanation(TARGET, item, inspection, LETTER if letter else None)


def _explain_removal(
    outcome: Outcome, *, letter: bool = False, status: str | None = None, done: bool = False
) -> Explanation:
    item: dict[str, Any] = (
        {} if status is None else {"status": status, "attempt": REMOVAL_IDENTITY.as_map(), "key": "k"}
    )
    if done:
        item["removal"] = REMOVAL_IDENTITY.as_map()
    prediction = Prediction(outcome, None, "m")
    inspection = Inspection(REMOVAL, identity=REMOVAL_IDENTITY, target=TARGET, item=item, prediction=prediction)
    return Explanation(TARGET, item, inspection, LETTER if letter else None)


@pytest.mark.parametrize(
    ("explanation", "steps"),
    [
        (_explain(None), ["Upload a photo for it: image-ingest upload FILE --entity person --id 7"]),
        (_explain("stored", letter=True), ["Replay it: image-ingest failures replay 01234567"]),
        (
            _explain("rejected", "image.unreadable", letter=True),
            [UNREADABLE_ADVICE, "After the new upload, discard this one: image-ingest failures discard 01234567"],
        ),
        (
            _explain("rejected", "target.missing", letter=True),
            [
                CATALOGUE["target.missing"].advice,
                "After a new upload, discard this one: image-ingest failures discard 01234567",
                "Without one, replay it: image-ingest failures replay 01234567",
            ],
        ),
        (
            _explain("rejected", "superoffice.forbidden", letter=True),
            [CATALOGUE["superoffice.forbidden"].advice, "Then replay it: image-ingest failures replay 01234567"],
        ),
        (
            _explain("deferred", "superoffice.unavailable", letter=True),
            [CATALOGUE["superoffice.unavailable"].advice, "Then replay it: image-ingest failures replay 01234567"],
        ),
        *(
            (_explain(outcome, letter=True), ["It is safe to discard it: image-ingest failures discard 01234567"])
            for outcome in ("duplicate", "superseded", "unchanged", "ignored")
        ),
        *(
            (
                _explain(outcome, status="stored"),
                [
                    "Nothing, if SuperOffice shows this picture or a newer one.",
                    f"If somebody deleted it there, store it again: {FORGET} && {RESEND}",
                ],
            )
            for outcome in ("duplicate", "superseded", "unchanged")
        ),
        (_explain("superseded", status="removed"), ["Nothing, if SuperOffice shows this picture or a newer one."]),
        (
            _explain("deferred", "aws.denied", status="stored"),
            ["If a permission is missing, add it to your own AWS user"],
        ),
        (_explain("stored", status="in_progress"), ["Wait. It is in progress"]),
        (_explain("stored", status="deferred"), ["Wait. It is in progress"]),
        (
            _explain("stored"),
            ["No delivery of it is known. Enqueue it again: image-ingest resend --prefix 'photos/it'\"'\"'s me.jpg'"],
        ),
        (_explain("stored", status="deferred", attempt=OTHER), ["No delivery of it is known."]),
        (_explain("stored", status="rejected"), ["No delivery of it is known."]),
        (_explain("rejected", "image.unreadable", status="rejected"), [UNREADABLE_ADVICE]),
        (_explain("deferred", "target.busy", status="in_progress"), [CATALOGUE["target.busy"].advice, RETRIED]),
        (_explain("ignored"), ["Upload the photo again."]),
        (
            _explain("kept", status="kept"),
            [
                "Nothing, if that picture is right. SuperOffice shows a picture",
                "To replace it, delete it in SuperOffice, then: image-ingest resend --prefix ",
            ],
        ),
        (_explain("kept", letter=True), ["It is safe to discard it"]),
        (_explain_removal("removed", status="removed", done=True), ["Nothing. The picture was removed"]),
        (_explain_removal("removed", status="deferred"), ["Wait. It is in progress"]),
        (_explain_removal("removed"), ["No delivery of it is known. Remove the picture: image-ingest remove person 7"]),
        (_explain_removal("removed", letter=True), ["Replay it: image-ingest failures replay 01234567"]),
        (_explain_removal("removed", letter=True, status="removed", done=True), ["It is safe to discard it"]),
        (_explain_removal("superseded", status="stored"), ["Nothing, if SuperOffice shows", "If somebody deleted it"]),
        (
            _explain("deferred", "credentials.invalid", status="deferred"),
            [
                "The upload waits for the SuperOffice credential: image-ingest secret put",
                "Once the secret is valid, the upload is stored automatically.",
            ],
        ),
    ],
)
def test_each_state_has_its_next_step(explanation: Explanation, steps: list[str]) -> None:
    found = find_next_steps(explanation)
    assert len(found) == len(steps)
    for step, beginning in zip(found, steps, strict=True):
        assert step.startswith(beginning)
    assert build_document(explanation)["next"] == found


def test_an_object_in_another_bucket_is_copied_and_not_resent() -> None:
    other = replace(_explain("stored"), stack_bucket="uploads")
    (step,) = find_next_steps(other)
    assert step.endswith("Copy it there: image-ingest backfill 's3://b/photos/it'\"'\"'s me.jpg'")
    assert "resend" in find_next_steps(replace(other, stack_bucket="b"))[0]


def test_a_command_names_a_stack_that_is_not_the_default() -> None:
    explanation = replace(_explain("stored", letter=True), stack_name="trial")
    assert find_next_steps(explanation) == ["Replay it: image-ingest failures replay 01234567 --stack trial"]


OBJECT = StoredObject("b", UPLOAD.key, "1", "e", 900, "2026-10-05T10:00:00Z", "image/png", {}, archived=False)


@pytest.mark.parametrize(
    ("obj", "picture", "prediction", "line"),
    [
        (None, None, Prediction("ignored"), "There are no bytes to check."),
        (
            *(OBJECT, Picture(bytes(700), "image/jpeg", 30, 20, "PNG"), Prediction("stored")),
            "PNG is readable and becomes image/jpeg, 30x20, 700 bytes.",
        ),
        (OBJECT, None, Prediction("rejected", "image.unreadable", "It is cut off."), "Refused: It is cut off."),
        (OBJECT, None, Prediction("duplicate"), "Bytes not checked: the upload is already settled."),
    ],
)
def test_what_is_known_of_the_bytes_is_said(
    obj: StoredObject | None, picture: Picture | None, prediction: Prediction, line: str
) -> None:
    inspection = Inspection(UPLOAD, obj=obj, picture=picture, prediction=prediction)
    assert dict(build_sections(Explanation(TARGET, {}, inspection, None)))["Checks"] == [line]
