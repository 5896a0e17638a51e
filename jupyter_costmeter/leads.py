"""What leads to somebody without naming them: paths, links, e-mail and network addresses, serial numbers; pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

#: What stands for something of that kind (``path``) that was written so.
Called = Callable[[str, str], str]
#: A folder's end, or more of the path: what a path in running text may hold.
PIECE = r"[^\s/\\\"'`<>|,;:()\[\]{}*?]"
#: With blanks in it a path is only known by its end. No file's name is longer, and no path is looked for in all of a
#: long text.
_NAME = r"[^\n/\\\"'`<>|,;:()\[\]{}*?]"
SPACED = rf"(?:{_NAME}{{1,255}}[/\\]+){{0,40}}{_NAME}{{0,255}}?\.(?:toml|ipynb|pyc?|json|csv|sqlite|db)\b"
DRIVE = r"(?<!\w)[A-Za-z]:[\\/]+(?![/\s])"
ROOT = (
    rf"(?:file://+|(?<![\w/.~])(?:~[\w.-]*|\.\.?)?/(?![/\s])|{DRIVE}|\\\\(?=\w)|(?<![\w:/.])//(?=\w)"
    r"|\$\{?\w+\}?/|%\w+%[\\/])"
)
#: Whose home it is may have blanks in it.
HOMES = rf"(?:(?<![\w.])/(?:home|[Uu]sers)/|{DRIVE}(?i:users|documents and settings)[\\/]+)"
HOME = rf"{HOMES}{PIECE}+(?: {PIECE}+){{0,3}}[\\/]+"
ANY_PATH = re.compile(
    rf"{HOME}(?:{SPACED}|(?:{PIECE}+[/\\]+)*{PIECE}*)|{ROOT}(?:{SPACED}|{PIECE}+(?:[/\\]+{PIECE}+)+[/\\]?)"
    rf"|(?<![\w/.~])~[\w.-]*[/\\]{PIECE}+|(?<!\w)[A-Za-z]:\\+{PIECE}+"
)
#: No letter of an address; what is behind the last dot begins with a letter: ``mAP@0.5`` is none.
_NONE = r"\s@<>()\[\],;:\"'/\\|"
E_MAIL = re.compile(rf"(?<![^{_NONE}])[^{_NONE}]+@[^{_NONE}]+\.(?=[^\W\d_])[^{_NONE}.]+")
DEVICE = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)

_TO_END = r"[^\s<>\"'`)\]}]*[^\s<>\"'`)\]}.,;:!?]"
_ENDINGS = (
    "com|org|edu|net|io|ai|gov|dev|co|info|eu|ch|de|fr|uk|nl|it|es|se|no|fi|dk|at|be|jp|cn|kr|in|ca|au|us|ru|br|il|sg"
)
LINKS = re.compile(
    rf"(?:\b[a-z][a-z0-9.-]{{0,20}}\+|\b)(?:https?|ftps?|sftp|ssh|git|s3|gs|abfss?|hdfs|wss?|nfs|smb)://{_TO_END}"
    r"|(?<![\w.+-])[\w.+-]+@[\w.-]+:(?:[\w.~-]*(?:/[\w.~-]+)+|[\w.-]+\.git)"
    rf"|(?<![\w@./:-])(?:[\w-]+\.)+(?:{_ENDINGS})(?::\d+)?/{_TO_END}",
    re.IGNORECASE,
)
#: What the product itself quotes: the norms' and the factors' public sources. They say nothing of the author.
PUBLIC = (
    "aclrollingreview.org", "api.carbonintensity.org.uk", "api.electricitymaps.com", "api.watttime.org",
    "carbonintensity.org.uk", "codecarbon.io", "creativecommons.org", "cvpr.thecvf.com", "developer.nvidia.com",
    "doi.org", "ec.europa.eu", "eea.europa.eu", "electricitymaps.com", "ember-energy.org", "epa.gov",
    "github.com/Boavizta", "github.com/mlco2", "huggingface.co/docs", "iea.org", "ipcc.ch", "json-schema.org",
    "neurips.cc", "ourworldindata.org", "sci.greensoftware.foundation", "watttime.org",
)  # fmt: skip


def unnumbered(kind: str, _: str) -> str:
    """``[path]``."""
    return f"[{kind}]"


def without_links(text: str, called: Called = unnumbered) -> str:
    """Links and remotes of repositories replaced, but for public sources."""
    return LINKS.sub(lambda match: match.group() if _is_public(match) else called("link", match.group()), text)


def _is_public(match: re.Match[str]) -> bool:
    where = match.group().partition("://")[2] or match.group()
    where = where.removeprefix("www.")
    return any(where == one or where.startswith((f"{one}/", f"{one}#", f"{one}?")) for one in PUBLIC)


# Network addresses

_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_V6 = re.compile(r"(?<![\w:.])[0-9a-fA-F:]{0,40}:[0-9a-fA-F:]{0,40}(?:(?:\.?\d{1,3}){4})?(?:%\w+)?(?![\w:])")
_MAC = re.compile(r"(?<![\w:-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:-])")
#: Before four numbers that are a version.
_VERSION = re.compile(r"(?i)(?:\b(?:version|driver|cuda|release|build)s?:? |\bv|[=<>~]=)$")
#: So many characters before a number say whether it is a version.
_BEFORE = 16


def without_addresses(text: str, called: Called = unnumbered) -> str:
    """IP (version 4 and 6) and MAC addresses replaced; of a machine's own (``127.0.0.1``) there is one everywhere."""

    def replaced(match: re.Match[str]) -> str:
        is_one = {_V4: _is_v4, _V6: _is_v6}.get(match.re)
        return called("address", match.group()) if is_one is None or is_one(match) else match.group()

    return _V4.sub(replaced, _V6.sub(replaced, _MAC.sub(replaced, text)))


def _is_v4(match: re.Match[str]) -> bool:
    start = match.start()
    return not _VERSION.search(match.string[max(0, start - _BEFORE) : start]) and _is_address(match.group())


def _is_v6(match: re.Match[str]) -> bool:
    """``2001:db8::1``, but no ``10::2`` (a slice) and no ``12:30:45``."""
    groups = [group for group in match.group().split(":") if group]
    telling = len(groups) > 3 or (any(map(str.isdigit, match.group())) and any(len(group) > 2 for group in groups))
    return telling and _is_address(match.group())


def _is_address(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified)
