"""A card as HTML and as text: whole, harmless and readable whatever it holds."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given

from nbfn.notebook.card import Card, LogText, Tile, age, milliseconds, reason_in_words
from nbfn.notebook.render import html
from nbfn.notebook.text import printable, text
from nbfn.spec import ColdReason
from tests.notebook.samples import COLD, FRESH, WARM, cards

USED = replace(FRESH, rows=(WARM, COLD), cold=1, warm=1, tiles=(Tile("abcd1234", "idle", 9.0, 2, 3.0),))
TAGS = {"section", "div", "style", "header", "strong", "span", "p", "ul", "li", "code", "pre", "i"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "col", "colgroup", "svg", "path", "rect", "title"}


def parsed(card: Card) -> ElementTree.Element:
    """Its HTML, which is well-formed enough for an XML parser."""
    return ElementTree.fromstring(html(card))


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if name in each.get("class", "").split()]


def words(root: ElementTree.Element) -> str:
    return " ".join(
        part for each in root.iter() if each.tag != "style" for part in [each.text, each.tail] if part
    )


@given(cards)
def test_any_card_is_well_formed_and_runs_nothing(card: Card) -> None:
    root = parsed(card)
    assert {each.tag for each in root.iter()} <= TAGS
    for each in root.iter():
        assert not any(key.startswith("on") or key in ("href", "src") for key in each.attrib)


@given(cards)
def test_what_a_person_wrote_arrives_as_they_wrote_it(card: Card) -> None:
    root = parsed(card)
    assert (by_class(root, "nbfn-name")[0].text or "") == printable(card.name)
    assert len(by_class(root, "nbfn-call")) == len(card.rows)
    assert [each.get("data-state") for each in by_class(root, "nbfn-instance")] == [
        t.state for t in card.tiles
    ]


@given(cards)
def test_plain_text_sends_no_control_characters_to_a_terminal(card: Card) -> None:
    assert all(char == "\n" or char == "\t" or char.isprintable() or ord(char) > 0x9F for char in text(card))
    text(card).encode()
    html(card).encode()


def test_markup_of_a_function_is_shown_and_not_run() -> None:
    card = replace(FRESH, log=(LogText("stdout", "<script>alert(1)</script>"),), name="<b>")
    assert "<script" not in html(card)
    assert "<script>alert(1)</script>" in words(parsed(card))


def test_cold_and_warm_are_told_in_words_and_classes() -> None:
    root = parsed(USED)
    (cold,), (warm,) = by_class(root, "nbfn-call-cold"), by_class(root, "nbfn-call-warm")
    assert "cold" in words(cold)
    assert "first call" in words(cold)
    assert "41.3 ms" in words(cold)
    assert "warm" in words(warm)
    assert "0.42 ms" in words(warm)
    assert "1 cold" in words(root)
    assert "1 warm" in words(root)
    bar = next(each for each in cold.iter("svg") if each.get("role") == "img")
    assert bar.get("aria-label") == "queue 0.10 ms, start 38.0 ms, run 2.1 ms"


def test_bars_share_one_scale_and_the_shortest_stage_is_still_seen() -> None:
    cold, warm = (by_class(parsed(USED), f"nbfn-call-{start}")[0] for start in ("cold", "warm"))
    widths = {row: [float(rect.get("width", "")) for rect in row.iter("rect")] for row in (cold, warm)}
    assert sum(widths[cold]) > 20 * sum(widths[warm])
    assert min(widths[cold] + widths[warm]) >= 6


def test_an_idle_instance_shows_how_long_it_has_left() -> None:
    assert 'class="nbfn-left" style="animation-duration:30s;animation-delay:-3.0s"' in html(USED)
    busy = replace(USED, tiles=(Tile("abcd1234", "busy", 9.0, 2),))
    assert 'class="nbfn-left"' not in html(busy)


def test_a_function_that_is_gone_has_no_address() -> None:
    gone = replace(FRESH, deployed=False)
    assert "undeployed" in words(parsed(gone))
    assert "curl" not in words(parsed(gone))
    assert FRESH.url not in text(gone)


def test_a_failure_is_one_line() -> None:
    failed = replace(WARM, outcome="failed", message="ValueError: no rate\nfor 'XXX'" + "x" * 500)
    card = replace(USED, rows=(failed,), failed=1)
    assert "failed: ValueError: no rate for 'XXX'" in words(parsed(card))
    assert "1 failed" in words(parsed(card))
    assert len(max(text(card).splitlines(), key=len)) < 300


def test_text_is_a_few_aligned_lines() -> None:
    assert text(replace(USED, log=(LogText("stdout", "one\n"), LogText("stderr", "two\n")))).splitlines() == [
        "greet · app notebook · 256 MB · timeout 30 s · image 3fa2c0d1e9b7",
        "  http://127.0.0.1:43211/invoke/01M86QQYZ5R00040J6M0000001",
        "  instance 1234: idle, 2 calls, 9 s old",
        "  calls: 1 cold, 1 warm",
        "      2  warm    0.42 ms  queue 0.05 · run 0.31",
        "      1  cold    41.3 ms  start 38.0 · run 2.1  (first call)",
        "  log:",
        "    one",
        "    two",
    ]


def test_a_fresh_card_says_what_comes() -> None:
    assert "not called yet: the first call is cold" in text(FRESH)
    assert "not called yet: the first call is cold" in words(parsed(FRESH))


def test_every_reason_has_words_of_its_own() -> None:
    reasons = ColdReason.__args__  # type: ignore[attr-defined]
    said = {reason_in_words(reason) for reason in reasons}
    assert len(said) == len(reasons)
    assert reason_in_words("something-new") == "something new"


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.004, "0.00 ms"), (0.42, "0.42 ms"), (41.32, "41.3 ms"), (812.4, "812 ms"), (2400, "2.4 s")],
)
def test_durations_keep_the_digits_that_matter(ms: float, shown: str) -> None:
    assert milliseconds(ms) == shown


def test_ages_are_whole() -> None:
    assert [age(s) for s in (-1, 0.4, 42, 300, 7300)] == ["0 s", "0 s", "42 s", "5 min", "2 h"]
