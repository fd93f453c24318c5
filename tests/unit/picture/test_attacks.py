"""Code that has taken the decoder over reaches nothing: an attempt ends the process, the next picture is stored."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from image_ingest.deadline import Deadline
from image_ingest.errors import Deferred, Rejected
from image_ingest.picture import Preparation, prepare, probe_decoder
from image_ingest.picture.isolation import ChildDied, ForkServer, Isolation, Limits
from image_ingest.settings import PictureSettings
from tests.pictures.attacks import ATTACKS
from tests.pictures.hostile import with_order
from tests.pictures.makers import encoded
from tests.pictures.scene import heic, scene

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux filters system calls.")

SOURCES = {"JPEG": encoded(scene(), "JPEG"), "HEIF": heic(scene())}
THREADS = {"start_a_thread"}  # which decoding a HEIF needs


@pytest.fixture(scope="module")
def hostile() -> Iterator[ForkServer]:
    server = ForkServer("tests.pictures.hostile")
    yield server
    server.stop()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("source_format", SOURCES)
def test_an_attempt_ends_the_process_and_the_next_picture_is_stored(
    hostile: ForkServer, attack: str, source_format: str, tmp_path: Path
) -> None:
    source = SOURCES[source_format]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = {"open_a_file": str(tmp_path / "loot"), "connect": str(listener.getsockname()[1])}
        argument = arguments.get(attack, str(os.getpid()))
        if source_format == "HEIF" and attack in THREADS:
            with closing(Isolation(hostile)) as isolation:
                isolation.file.write(with_order(source, attack))
                assert isolation.run(b"HEIF", Limits(2**28, 4, 20)) == b"survived"
        else:
            with pytest.raises(Rejected) as refusal:
                prepare(with_order(source, attack, argument), PictureSettings(), Deadline(30), hostile)
            assert (refusal.value.code, "system call" in refusal.value.message) == ("image.unreadable", True)
        assert prepare(source, PictureSettings(), Deadline(30), hostile).source_format == source_format
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source_format", SOURCES)
def test_the_first_picture_of_a_fork_server_may_have_any_format(source_format: str) -> None:
    server = ForkServer("image_ingest.picture.decoder")
    picture = prepare(SOURCES[source_format], PictureSettings(), Deadline(30), server)
    server.stop()
    assert picture.source_format == source_format


def test_a_thread_of_the_decoder_is_confined_too(hostile: ForkServer) -> None:
    with closing(Isolation(hostile)) as isolation:
        isolation.file.write(with_order(b"", "open_a_file_in_a_thread"))
        with pytest.raises(ChildDied) as death:
            isolation.run(b"HEIF", Limits(2**28, 4, 20))
    assert death.value.cause == "forbidden"


def test_the_decoder_never_had_the_workers_environment(hostile: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment, nor anywhere else in its memory."""
    secret = "never-in-the-decoder-" + os.urandom(8).hex()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", secret)
    server = ForkServer("tests.pictures.looking")
    with closing(Isolation(server)) as isolation:
        isolation.file.write(secret[::-1].encode())
        found = isolation.run(b"JPEG", Limits(2**28, 4, 20))
    server.stop()
    assert found == b"looked through memory; copies of the secret: 0"


def test_where_the_kernel_refuses_the_filter_pictures_are_stored_all_the_same() -> None:
    server = ForkServer("tests.pictures.refusing")
    confined = []
    for decoder in (server, ForkServer("tests.pictures.hostile")):
        with closing(Preparation(decoder)) as preparation:
            preparation.file.write(SOURCES["JPEG"])
            assert preparation.make_picture(PictureSettings(), Deadline(30)).source_format == "JPEG"
            confined.append(preparation.is_confined)
        decoder.stop()
    assert confined == [False, True]


def test_a_filter_that_fits_no_picture_blames_none() -> None:
    server = ForkServer("tests.pictures.unfit")
    with pytest.raises(Deferred, match="does not fit") as deferral:
        prepare(SOURCES["JPEG"], PictureSettings(), Deadline(30), server)
    assert deferral.value.code == "worker.failed"
    assert probe_decoder(Deadline(30), server) is None
    server.stop()


@pytest.mark.parametrize(
    ("decoder", "confined"), [("tests.pictures.hostile", True), ("tests.pictures.refusing", False), ("missing", None)]
)
def test_a_probe_tells_whether_the_kernel_filters(decoder: str, confined: bool | None) -> None:
    server = ForkServer(decoder)
    assert probe_decoder(Deadline(30), server) is confined
    server.stop()
