"""Another system's text may repeat a credential in any form; nothing of it may be left."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_ingest.superoffice.redaction import redact

TOKEN = "7T:Q2/x+Zm9v&b=\"aæ <'>\\8f3c2e"
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "URL": lambda value: quote(value, safe=""),
    "URL in lower case": lambda value: quote(value, safe="").lower(),
    "URL with slashes": quote,
    "form": quote_plus,
    "HTML": html.escape,
    "XML": escape,
    "HTML in numbers": lambda value: "".join(f"&#{ord(character)};" for character in value),
    "HTML in hexadecimal": lambda value: "".join(f"&#x{ord(character):X};" for character in value),
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON with slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "URL in HTML": lambda value: html.escape(quote(value, safe="")),
    "HTML in URL": lambda value: quote(html.escape(value), safe=""),
    "JSON in HTML": lambda value: html.escape(json.dumps(value)[1:-1]),
    "URL twice": lambda value: quote(quote(value, safe=""), safe=""),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "upper case": lambda value: "".join(letter.upper() if letter.isascii() else letter for letter in value),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_value_is_replaced_in_every_form(form: str) -> None:
    echo = FORMS[form](TOKEN)
    assert redact(f"The token {echo} is refused.", [TOKEN]) == "The token *** is refused."


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [8, 12, 20])
def test_a_value_that_is_cut_short_is_replaced(form: str, length: int) -> None:
    echo = FORMS[form](TOKEN)[:length] if form == "base64" else FORMS[form](TOKEN[:length])
    assert redact(f"The token {echo}… is refused.", [TOKEN]) == "The token ***… is refused."


@pytest.mark.parametrize("form", ["as it is", "URL", "HTML"])
def test_a_part_from_the_middle_or_the_end_is_replaced(form: str) -> None:
    for part in (TOKEN[5:16], TOKEN[-9:]):
        assert redact(f"…{FORMS[form](part)} is refused.", [TOKEN]) == "…*** is refused."


@pytest.mark.parametrize("value", ["a", "x9", "abc", "hunt", "hunter2"])
@pytest.mark.parametrize("form", ["as it is", "URL", "HTML in numbers"])
def test_a_short_value_is_replaced(value: str, form: str) -> None:
    assert redact(f"Password '{FORMS[form](value)}' is wrong.", [value]) == "Password '***' is wrong."


def test_a_short_value_leaves_other_words_alone() -> None:
    assert redact("The person's image is not valid.", ["i", "man", "erso"[:3]]) == "The person's image is not valid."


@pytest.mark.parametrize("text", ["", "No access to person.", "Image bitmap is missing from body.", "100 % & more; \\"])
def test_text_without_a_value_stays_as_it_is(text: str) -> None:
    assert redact(text, [TOKEN, "", "  "]) == text


def test_several_values_side_by_side_become_one_mask() -> None:
    assert redact("<ticket-1secret-2>", ["ticket-1", "secret-2"]) == "<***>"


@given(
    value=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=8, max_size=40),
    form=st.sampled_from(sorted(FORMS.keys() - {"base64", "upper case", "URL in lower case"})),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    start=st.integers(0, 40),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_long_part_of_any_value_is_left(value: str, form: str, before: str, after: str, start: int) -> None:
    part = value[min(start, len(value) - 8) :]
    echo = FORMS[form](part)
    left = redact(f"{before}{echo}{after}", [value])
    assert echo not in left
