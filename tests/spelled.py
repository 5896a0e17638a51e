"""All spellings of a name: in each form of Unicode and each case."""

from __future__ import annotations

from unicodedata import normalize

FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def spellings(name: str) -> set[str]:
    """In each form and case."""
    cases = (str, str.upper, str.lower)
    found = {case(normalize(form, name)) for form in FORMS for case in cases}
    return found | {normalize(form, case(name)) for form in FORMS for case in cases}
