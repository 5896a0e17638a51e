"""What leads to somebody goes out of a text, what looks like it stays."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.leads import ANY_PATH, E_MAIL, PUBLIC, unnumbered, without_addresses, without_links

PATH, ADDRESS = unnumbered("path", ""), unnumbered("address", "")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see https://git.lab.example/secret-group/code?x=1.", "see [link]."),
        ("(git@github.com:secret-lab/code.git)", "([link])"),
        ("ssh://git@host.example:22/lab/code", "[link]"),
        ("git+https://user:token@github.com/secret/x@main#egg=x", "[link]"),
        ("github.com/secret-lab/code, www.lab.edu/~ada", "[link], [link]"),
        ("s3://secret-bucket/x.csv", "[link]"),
        ("https://user@github.com/Boavizta/BoAmps", "[link]"),
        ("https://ourworldindata.org.evil.example/x", "[link]"),
        ("https://huggingface.co/secret-lab/model", "[link]"),
    ],
)
def test_links(text: str, clean: str) -> None:
    assert without_links(text) == clean


@pytest.mark.parametrize("where", PUBLIC)
def test_public_sources_stay(where: str) -> None:
    for text in (f"https://{where}", f"(https://www.{where}/a/b?c=d)", f"{where}/x"):
        assert without_links(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "gCO2e/kWh, and/or, train.py/x",
        "e.g./i.e.",
        "file.tar.gz",
        "12:30",
        "a@b: c",
        "torch.nn.functional",
        "GPU: A100",
    ],
)
def test_what_is_no_link_stays(text: str) -> None:
    assert without_links(text) == text


@given(st.ip_addresses().filter(lambda ip: not ip.is_loopback and not ip.is_unspecified))
def test_addresses(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    groups = str(address).split(":")
    if (
        address.version == 4
        or len(list(filter(None, groups))) > 3
        or ("1" in str(address) and max(map(len, groups)) > 2)
    ):
        assert str(address) not in without_addresses(f"at {address}, port 80")
    if address.version == 4:
        assert without_addresses(f"http://{address}:8888") == f"http://{ADDRESS}:8888"


@pytest.mark.parametrize("text", ["fe80::1%eth0", "[2001:db8::1]:8888", "00:1b:44:11:3a:b7", "10.0.0.7:8888"])
def test_more_addresses(text: str) -> None:
    assert ADDRESS in without_addresses(text)
    assert not any(part in without_addresses(text) for part in ("fe80", "db8", "1b:44", "10.0"))


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "::1", "12:30:45", "x[10::20]", "std::abs", "aten::add", "v12.1.3.1", "version 1.2.3.4",
     "nvidia-cublas-cu12==12.1.3.1", "535.104.12", "999.1.1.1", "1.2.3.4.5", "2026-09-21 14:13:20"],
)  # fmt: skip
def test_what_is_no_address_stays(text: str) -> None:
    assert without_addresses(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/Users/Ada Lovelace/Google Drive/x", PATH + " Drive/x"),
        (r"C:\Users\Ada Lovelace\x.py", PATH),
        (r"C:\\Users\\Eve\\a.txt", PATH),
        ("D:/data/secret/x", PATH),
        (r"D:\secret.txt", PATH),
        ("~/secret ~ada/x", f"{PATH} {PATH}"),
        ("$HOME/secret/x.py", PATH),
        (r"%USERPROFILE%\secret\x", PATH),
        ("//nas/secret/x", PATH),
        (r"\\nas\secret", PATH),
        ("about ~5 s, 1/2 // no path, ×/÷ 3", "about ~5 s, 1/2 // no path, ×/÷ 3"),
    ],
)
def test_paths(text: str, clean: str) -> None:
    assert ANY_PATH.sub(PATH, text) == clean


@pytest.mark.parametrize(
    ("text", "is_mail"),
    [
        ("ada@uni.edu", True),
        ("jose\u0301@münchen.de", True),
        ("mAP@0.5", False),
        ("precision@10", False),
        ("@x.y", False),
    ],
)
def test_e_mail(text: str, is_mail: bool) -> None:
    assert bool(E_MAIL.search(text)) is is_mail
