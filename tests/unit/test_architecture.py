"""The one-way rule of docs/architecture.md, checked against every import."""

from __future__ import annotations

import re
from functools import cache

import grimp
import pytest

from tests import ROOT

# An upload flows from the first layer to the last. Modules of one layer do not import each other.
LAYERS: tuple[set[str], ...] = (
    {"app"},
    {"worker", "predict"},
    {"ingest", "report"},
    {"attempt", "checks", "ownership"},
    {"events", "picture", "ledger"},
    {"superoffice"},
    {"aws"},
    {"upload", "settings", "outcome", "deadline", "target", "timing", "errors", "architecture"},
)
LOWEST = LAYERS[-1]  # these may import each other, without circles
PACKAGES = (
    *(f"image_ingest.{name}" for name in ("picture", "ledger", "superoffice", "aws")),
    *(f"sandbox.{name}" for name in ("aws", "superoffice", "demo", "page", "lambda_runtime")),
)


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("image_ingest", "image_ingest_cli", "sandbox", include_external_packages=True)


def imports_between(importer: str, imported: str) -> set[tuple[str, str]]:
    """The direct imports from one package or module into another, their submodules included."""
    inside = {module for module in graph().modules if f"{module}.".startswith(f"{imported}.")}
    importers = {importer, *graph().find_descendants(importer)}
    return {(one, other) for one in importers for other in graph().find_modules_directly_imported_by(one) & inside}


def test_an_upload_flows_one_way() -> None:
    layers = [
        grimp.Layer(*(f"image_ingest.{name}" for name in layer), independent=layer is not LOWEST) for layer in LAYERS
    ]
    illegal = graph().find_illegal_dependencies_for_layers(layers)
    assert [(found.importer, found.imported) for found in illegal] == []


def test_every_module_of_the_function_has_a_layer() -> None:
    modules = {name.removeprefix("image_ingest.") for name in graph().find_children("image_ingest")}
    assert modules == set().union(*LAYERS), "give each module its layer, here and in docs/architecture.md"


@pytest.mark.parametrize("module", ["picture", "target", "events"])
def test_pictures_targets_and_events_know_no_aws(module: str) -> None:
    for aws in ("image_ingest.aws", "boto3", "botocore", "aws_lambda_powertools"):
        assert imports_between(f"image_ingest.{module}", aws) == set()


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("image_ingest", "image_ingest_cli"),
        ("image_ingest", "sandbox"),
        ("sandbox", "image_ingest_cli"),
        ("image_ingest_cli", "sandbox"),
    ],
)
def test_the_function_imports_nothing_of_its_users_and_they_nothing_of_each_other(importer: str, imported: str) -> None:
    assert imports_between(importer, imported) == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_used_by_its_public_names(package: str) -> None:
    inside = {package, *graph().find_descendants(package)}
    private = {
        (importer, module)
        for module in inside - {package}
        for importer in graph().find_modules_that_directly_import(module) - inside
    }
    assert private == set()


def test_the_document_names_the_same_layers() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    (block,) = re.findall(r"<!-- layers -->\n```text\n(.*?)```", text, re.DOTALL)
    named = [set(re.findall(r"[a-z]+", line.split("  ")[0])) for line in block.splitlines()]
    assert named == list(LAYERS)
