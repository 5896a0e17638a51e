"""How wide a text is in LaTeX's own type (Computer Modern Roman), in widths of a digit; enough to lay out a table."""

from __future__ import annotations

#: Widths of cmr10's glyphs in points, rounded up, each with its characters; a digit has 5.
POINTS = {
    2.8: "il.,:;'!|I",
    3.4: "-fj",
    4.0: "rst()[]`",
    4.5: "cez ",
    5.3: 'agokqvxyJ/?_"',
    5.6: "bdhnpuSZL",
    7.3: "wBCEFPRT",
    7.8: "ADGHKNOQUVXY&+=~±≥≤×÷<>*",
    8.4: "m%",
    9.2: "M",
    10.3: "W—…@",
}
WIDTHS = {char: points / 5.0 for points, chars in POINTS.items() for char in chars} | dict.fromkeys("0123456789", 1.0)
#: Of a character that is not in the table, such as an accented letter; beyond Latin it is written as its code point.
OTHER, CODE = 1.4, 9.0


def width(text: str) -> float:
    """In widths of a digit, rather too much than too little."""
    return sum(WIDTHS.get(char, OTHER if char < "\u0250" else CODE) for char in text)
