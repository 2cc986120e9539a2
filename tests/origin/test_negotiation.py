"""Negotiation against a plain, slow reading of RFC 9110 §12.5.3; the bounds of its cache."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from static_host.origin import negotiation
from static_host.origin.negotiation import parse_accept_encoding, parse_available_dictionary, select_representation
from static_host.origin.representation import Representation

TOKEN = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
ORDER = ["br", "zstd", "gzip", "identity", "dcz"]


def weight(text: str) -> Fraction | None:
    """Read `weight = OWS ";" OWS "q=" qvalue` (§12.4.2), character by character; None when it is not one."""
    text = text.strip(" \t")
    if not text.startswith(";"):
        return None
    text = text[1:].lstrip(" \t")
    if text[:2] not in ("q=", "Q="):
        return None
    number = text[2:]
    whole, point, decimals = number.partition(".")
    if whole not in ("0", "1") or len(decimals) > 3 or any(digit not in "0123456789" for digit in decimals):
        return None
    if whole == "1" and decimals.strip("0"):
        return None
    return Fraction(int(whole)) + (Fraction(int(decimals), 10 ** len(decimals)) if point and decimals else 0)


def acceptable(field: str) -> dict[str, Fraction]:
    """Return every coding of the field with its weight; an element that is not of the grammar is left out."""
    named = {}
    for element in field.split(","):
        element = element.strip(" \t")
        end = next((place for place, character in enumerate(element) if character not in TOKEN), len(element))
        coding, rest = element[:end].lower(), element[end:]
        value = weight(rest) if rest else Fraction(1)
        if coding and value is not None:
            named["gzip" if coding == "x-gzip" else coding] = value
    return named


def chosen(field: str | None, available: dict[str, int]) -> str | None:
    """Return the coding that the rules give, with the project's own: smallest first, then br, zstd, gzip."""
    if field is None:
        return "identity" if "identity" in available else None
    named = acceptable(field)
    ranked = []
    for coding, length in available.items():
        if coding in named:
            value = named[coding]
        elif "*" in named and coding != "dcz":  # only a client that names it can decode it
            value = named["*"]
        else:
            value = Fraction(1, 10_000) if coding == "identity" else Fraction(0)
        if value > 0:
            ranked.append((-value, length, ORDER.index(coding), coding))
    return min(ranked)[3] if ranked else None


codings = st.sampled_from(
    ["br", "gzip", "zstd", "dcz", "identity", "*", "x-gzip", "BR", "Gzip", "deflate", "br-x", "notbr", ""]
)
spaces = st.sampled_from(["", " ", "\t", "  "])
qvalues = st.sampled_from(
    ["0", "1", "0.", "0.5", "0.001", "0.000", "1.000", "1.001", "0.1234", "2", "-1", "inf", "nan", ""]
)
weighted = st.builds(
    lambda a, semicolon, b, q, value: f"{a}{semicolon}{b}{q}{value}",
    spaces,
    st.sampled_from([";", ";;", ""]),
    spaces,
    st.sampled_from(["q=", "Q=", "q =", "level="]),
    qvalues,
)
elements = st.builds(
    lambda a, coding, w, b: f"{a}{coding}{w}{b}", spaces, codings, st.one_of(st.just(""), weighted), spaces
)
rubbish = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
fields = st.one_of(st.none(), st.lists(elements, max_size=6).map(",".join), rubbish)
available = st.dictionaries(st.sampled_from(["br", "zstd", "gzip", "dcz"]), st.integers(0, 5), max_size=4).map(
    lambda sizes: {**sizes, "identity": 5}
)


choices = given(fields, available, st.sampled_from(["", "its", "another"]))


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@choices
def test_the_choice_is_that_of_a_plain_reading_of_the_grammar(
    field: str | None, sizes: dict[str, int], dictionary: str
) -> None:
    check_choice(field, sizes, dictionary)


@settings(max_examples=100, deadline=None)
@choices
def test_a_few_choices_are_those_of_a_plain_reading_of_the_grammar(
    field: str | None, sizes: dict[str, int], dictionary: str
) -> None:
    check_choice(field, sizes, dictionary)


def check_choice(field: str | None, sizes: dict[str, int], dictionary: str) -> None:
    representations = [
        Representation(coding, "", length, "", "its" if coding == "dcz" else "") for coding, length in sizes.items()
    ]
    best = select_representation(
        parse_accept_encoding(None if field is None else field.encode("latin-1")), representations, dictionary
    )
    usable = {coding: length for coding, length in sizes.items() if coding != "dcz" or dictionary == "its"}
    assert (best.coding if best else None) == chosen(field, usable)


@pytest.mark.parametrize(
    ("field", "weights"),
    [
        (None, (0, 0, 0, 1, 0)),
        (b"", (0, 0, 0, 1, 0)),
        (b"br", (1000, 0, 0, 1, 0)),
        (b"br;q=0.5, x-gzip;q=0.001, zstd;q=1.000", (500, 1000, 1, 1, 0)),
        (b"*", (1000, 1000, 1000, 1000, 0)),
        (b"*;q=0.25, br;q=0", (0, 250, 250, 250, 0)),
        (b"*;q=0", (0, 0, 0, 0, 0)),
        (b"*;q=0, identity;q=0.3", (0, 0, 0, 300, 0)),
        (b"identity;q=0", (0, 0, 0, 0, 0)),
        (b"DCZ;q=0.7, *;q=0.1", (100, 100, 100, 100, 700)),
        (b"\xe9, gzip", (0, 0, 1000, 1, 0)),
        (b"gzip;q=0.5, gzip;q=0.6", (0, 0, 600, 1, 0)),
        (b"x" * 257 + b", gzip", (0, 0, 1000, 1, 0)),
    ],
)
def test_weights_are_thousandths_by_coding(field: bytes | None, weights: tuple[int, ...]) -> None:
    negotiation._parse_cached.cache_clear()
    assert parse_accept_encoding(field) == weights


def test_the_heaviest_then_the_smallest_then_the_first_is_sent() -> None:
    lengths = {"identity": 9, "gzip": 5, "zstd": 5, "br": 6}
    all_of_them = [Representation(coding, coding, length, "") for coding, length in lengths.items()]

    def choose(*weights: int) -> str | None:
        best = select_representation(weights, all_of_them)
        return best.coding if best else None

    assert choose(1000, 1000, 1000, 1, 0) == "zstd"
    assert choose(1000, 999, 999, 1, 0) == "br"
    assert choose(0, 0, 1, 1, 0) == "gzip"
    assert choose(0, 0, 1, 2, 0) == "identity"
    assert choose(0, 0, 0, 0, 1000) is None


def test_a_delta_is_for_who_has_its_dictionary() -> None:
    identity = Representation("identity", "a", 9, "")
    one, other = Representation("dcz", "b", 1, "", "one"), Representation("dcz", "c", 2, "", "other")
    for dictionary, best in (("one", one), ("other", other), ("third", identity), ("", identity)):
        assert select_representation((0, 0, 0, 1, 1), [one, other, identity], dictionary) is best
    assert select_representation((0, 0, 0, 1, 0), [one, identity], "one") is identity


DICTIONARY = b"A" * 42 + b"A="


@pytest.mark.parametrize(
    ("field", "dictionary"),
    [
        (b":" + DICTIONARY + b":", "A" * 43 + "="),
        (b":ab+/" + b"0" * 39 + b"=:", "ab+/" + "0" * 39 + "="),
        (b":A" + DICTIONARY + b":", ""),
        (DICTIONARY, ""),
        (b":" + DICTIONARY, ""),
        (b":" + DICTIONARY + b":, x", ""),
        (b":" + b"-" * 43 + b"=:", ""),
        (b"", ""),
        (None, ""),
    ],
)
def test_a_dictionary_is_one_sequence_of_32_bytes(field: bytes | None, dictionary: str) -> None:
    assert parse_available_dictionary(field) == dictionary


def test_the_cache_is_bounded_and_long_values_stay_out_of_it() -> None:
    negotiation._parse_cached.cache_clear()
    for number in range(3000):
        parse_accept_encoding(b"gzip;q=0.%03d, x%d" % (number % 1000, number))
    parse_accept_encoding(b"x" * 300)
    information = negotiation._parse_cached.cache_info()
    assert (information.currsize, information.maxsize) == (1024, 1024)
    assert information.misses == 3000
