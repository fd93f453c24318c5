"""The demo: an album of difficult pictures, sent through a deployed stack and checked."""

from sandbox.demo.album import Sample, make_album
from sandbox.demo.send import SampleResult, find_mismatches, find_stored_picture, send_samples

__all__ = ["Sample", "SampleResult", "find_mismatches", "find_stored_picture", "make_album", "send_samples"]
