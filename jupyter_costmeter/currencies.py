"""Currencies by their ISO 4217 codes, and how amounts of money are printed, pure.

Nothing here depends on the decimal context of the thread, which in a kernel is the user's.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from difflib import get_close_matches

from .errors import UsageError

_LISTED = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
    VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
#: ISO 4217, without funds, metals and codes for tests.
CODES = frozenset(_LISTED.split())
_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
#: Digits after the point of those that have no hundredths.
MINOR = dict.fromkeys(_WITHOUT.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3)
#: What a price is printed with at most.
PRICE_DIGITS = 6
WIDE = Context(prec=1000, rounding=ROUND_HALF_EVEN)


def known(code: object, key: str = "currency") -> str:
    """The code, if it is one of ISO 4217.

    Raises:
        UsageError: it is none; the text has the one that it looks like.
    """
    if isinstance(code, str) and code in CODES:
        return code
    near = get_close_matches(str(code).upper(), sorted(CODES), 1, 0.6)
    hint = f"did you mean {near[0]!r}?" if near else "such as 'EUR'"
    raise UsageError(f"{key} = {code!r}: it wants a code of ISO 4217, {hint}")


def amount(value: Decimal, code: str) -> str:
    """``3.12 EUR``: to the currency's smallest unit, but to two significant digits at least (``0.0042 EUR``)."""
    if not value:
        return f"0 {code}"
    rounded = Context(prec=2, rounding=ROUND_HALF_EVEN).plus(value)
    digits = max(MINOR.get(code, 2), 1 - rounded.adjusted())
    return f"{WIDE.quantize(value, Decimal((0, (1,), -digits))):f} {code}"


def price(value: Decimal, code: str) -> str:
    """``0.55 EUR``, ``0.118912 EUR``: as it was declared, or six significant digits."""
    shown = Context(prec=PRICE_DIGITS, rounding=ROUND_HALF_EVEN).normalize(value)
    return f"{shown:f} {code}"
