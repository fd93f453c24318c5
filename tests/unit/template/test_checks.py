"""The template under the linters that AWS's users run; every suppression stands in the template with its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sandbox.tools.commands import Unavailable
from tests import ROOT

CHECKOV = ROOT / ".venvs/checkov/bin/checkov"  # of its own, as its pins conflict with ours


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_cfn_lint_with_the_serverless_rules_is_clean() -> None:
    checked = run(Path(sys.executable).with_name("cfn-lint"), "-a", "cfn_lint_serverless.rules", "--", "template.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_checkov_is_clean() -> None:
    if not CHECKOV.exists():
        raise Unavailable("checkov is missing. Install it with: python3 -m sandbox.tools.install checkov")
    checked = run(
        *(CHECKOV, "--file", "template.yaml", "--framework", "cloudformation"),
        *("--skip-download", "--compact", "--quiet"),
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_suppression_has_its_reason_beside_it() -> None:
    lines = (ROOT / "template.yaml").read_text().splitlines()
    suppressed = [number for number, line in enumerate(lines) if "id: CKV" in line or "ignore_checks:" in line]
    assert suppressed
    for number in suppressed:
        assert "#" in lines[number] or "comment:" in lines[number + 1]
