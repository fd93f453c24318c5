"""What the page concludes from queues, log and calls, without a running sandbox."""

from __future__ import annotations

from typing import Any

from image_ingest.events import format_notification
from image_ingest.upload import Removal, Upload
from sandbox.aws import LogLine, QueuedMessage
from sandbox.page.folder import plan_folder
from sandbox.page.tracker import SHOWN, SILENCE, TRACKED, ImagePut, UploadTracker, parse_target

NOW = 1_000_000.0
VISIBILITY = 720.0
BODY = format_notification(Upload("bucket", "ada.jpg", "v1", event_time="1970-01-12T13:46:39.000Z"))


def message(receives: int, *, visible: bool = False, name: str = "m1", back_in: int = 720) -> QueuedMessage:
    return QueuedMessage(name, BODY, receives, int(NOW) + back_in, visible, {})


def line(outcome: str, at: float, *, name: str = "m1", code: str | None = None) -> LogLine:
    return LogLine(at, name, outcome, "ada.jpg", "v1", "person#1", code, 101 if outcome == "stored" else None, 500)


def describe(tracker: UploadTracker, now: float = NOW) -> dict[str, Any]:
    (upload,) = tracker.describe_uploads(now)
    return upload


def test_an_upload_goes_from_the_queue_through_the_function_to_superoffice_and_the_ledger() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(0, visible=True)], [], [], NOW)
    assert describe(tracker)["state"] == "queued"
    tracker.observe([message(1)], [], [], NOW + 1)
    assert describe(tracker)["state"] == "working"
    tracker.observe([], [line("stored", NOW + 2)], [ImagePut(NOW + 1.8, "person#1")], NOW + 2.1)
    upload = describe(tracker)
    assert (upload["state"], upload["blob_id"], upload["attempts"]) == ("stored", 101, 1)
    assert upload["times"] == {
        "bucket": NOW - 1,
        "queue": NOW - 1,
        "function": NOW + 1.5,
        "superoffice": NOW + 1.8,
        "end": NOW + 2,
    }


def test_a_deferred_upload_waits_until_its_message_is_visible_and_is_then_worked_on_again() -> None:
    tracker = UploadTracker(VISIBILITY)
    deferral = line("deferred", NOW, code="superoffice.unavailable")
    tracker.observe([message(1, back_in=30)], [deferral], [], NOW)
    assert (describe(tracker)["state"], describe(tracker)["next_attempt"]) == ("deferred", NOW + 30)
    tracker.observe([message(1, visible=True, back_in=0)], [], [], NOW + 30)
    assert describe(tracker)["state"] == "queued"
    tracker.observe([message(2)], [], [], NOW + 31)
    assert (describe(tracker)["state"], describe(tracker)["attempts"]) == ("working", 2)


def test_a_copy_that_is_stored_settles_the_upload_while_its_message_still_waits() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(1, back_in=30)], [line("deferred", NOW, code="target.busy")], [], NOW)
    tracker.observe([message(1), message(1, name="m2")], [], [], NOW + 1)
    assert describe(tracker)["state"] == "working"
    tracker.observe([message(1)], [line("stored", NOW + 2, name="m2")], [], NOW + 2)
    assert describe(tracker)["state"] == "stored"
    assert tracker.is_done("v1")


def test_a_worker_that_was_killed_before_its_message_was_seen_is_dead_too() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(0, visible=True)], [], [], NOW)
    tracker.killed_at = NOW + 2
    tracker.observe([message(1, back_in=721)], [], [], NOW + 3)
    assert describe(tracker, NOW + 3)["state"] == "crashed", "received at NOW + 1"


def test_a_postponed_message_is_not_taken_for_a_crash_before_its_log_line_arrives() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(0, visible=True)], [], [], NOW)
    tracker.observe([message(1, back_in=30)], [], [], NOW + 1)
    assert describe(tracker, NOW + 1)["state"] == "working"


def test_a_message_that_is_about_to_be_deleted_does_not_wait() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(1)], [line("stored", NOW)], [], NOW)
    assert tracker.is_finished(message(1))
    tracker.observe([message(1, name="m2")], [line("deferred", NOW, name="m2", code="target.busy")], [], NOW)
    assert not tracker.is_finished(message(1, name="m2"))


def test_a_worker_has_crashed_when_it_was_killed_or_silent_for_longer_than_lambda_allows() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(1)], [], [], NOW)
    assert describe(tracker, NOW + SILENCE)["state"] == "working"
    assert describe(tracker, NOW + SILENCE + 1)["state"] == "crashed"
    tracker.killed_at = NOW + 1
    assert describe(tracker, NOW + 1)["state"] == "crashed"
    tracker.observe([message(2, back_in=1440)], [], [], NOW + 720)
    assert describe(tracker, NOW + 721)["state"] == "working", "the next worker lives"


def test_memory_and_document_stay_small_with_many_uploads() -> None:
    tracker = UploadTracker(VISIBILITY)
    for number in range(TRACKED + 2000):
        ended = LogLine(NOW + number, f"m{number}", "stored", f"{number}.jpg", f"v{number}", "person#1", None, 1, 500)
        tracker.observe([], [ended], [ImagePut(NOW + number, f"person#{number}")], NOW + number)
    shown = tracker.describe_uploads(NOW)
    assert [upload["key"] for upload in shown[:2]] == [f"{TRACKED + 1999}.jpg", f"{TRACKED + 1998}.jpg"]
    assert len(shown) == SHOWN
    assert tracker.count_outcomes() == {"stored": TRACKED + 2000, "total": TRACKED + 2000}
    assert tracker.find_key("v1999") is None
    assert tracker.find_key("v2000") == "2000.jpg"
    assert max(len(kept) for kept in vars(tracker).values() if isinstance(kept, dict)) <= 4 * TRACKED


def test_a_replay_changes_the_count_of_outcomes() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([], [line("rejected", NOW, code="image.unreadable")], [], NOW)
    tracker.observe([], [line("stored", NOW + 1, name="m2")], [], NOW + 1)
    assert tracker.count_outcomes() == {"rejected": 0, "stored": 1, "total": 1}


def test_a_target_is_not_called_missing_before_anything_is_known_about_it() -> None:
    tracker = UploadTracker(VISIBILITY)
    tracker.observe([message(0, visible=True)], [], [], NOW)
    assert not describe(tracker)["target_known"]
    tracker.observe([], [line("stored", NOW)], [], NOW)
    assert describe(tracker)["target_known"]


def test_a_removal_is_shown_with_its_call() -> None:
    tracker = UploadTracker(VISIBILITY)
    body = format_notification(Removal("bucket", "ada.jpg", "marker", event_time="1970-01-12T13:46:39.000Z"))
    tracker.observe([QueuedMessage("m1", body, 1, int(NOW) + 720, False, {})], [], [], NOW)
    assert (describe(tracker)["state"], describe(tracker)["is_removal"]) == ("working", True)
    ended = LogLine(NOW + 1, "m1", "removed", "ada.jpg", "marker", "person#1", None, None, 500)
    tracker.observe([], [ended], [ImagePut(NOW + 0.8, "person#1")], NOW + 1)
    assert (describe(tracker)["state"], describe(tracker)["times"]["superoffice"]) == ("removed", NOW + 0.8)
    assert tracker.count_outcomes() == {"removed": 1, "total": 1}


def test_calls_to_image_endpoints_name_their_target() -> None:
    assert parse_target("/online3/Cust12345/api/v1/Person/007/Image") == "person#7"
    assert parse_target("/SuperOffice/api/v1/Person/7/ImageInfo") is None


def test_a_folder_s_files_are_found_by_the_end_of_their_path_if_it_is_unique() -> None:
    sheet = b"file,entity_type,entity_id,email\na.jpg,person,1,\nB/a.jpg,contact,2,\nc.jpg,person,,c@example.com\n"
    planned = plan_folder(sheet, ["top/b/A.JPG", "top/c.jpg"])
    assert planned["uploads"] == [
        {"name": "top/b/A.JPG", "entity_type": "person", "entity_id": 1},
        {"name": "top/b/A.JPG", "entity_type": "contact", "entity_id": 2},
    ]
    assert len(planned["problems"]) == 1, "the page cannot look up e-mail addresses"
    assert "more than one" in str(plan_folder(sheet, ["x/a.jpg", "b/a.jpg"])["problems"])
