"""Tests of the function, the command line, the sandbox and the documents."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
