"""JSON read piece by piece: the same as all at once, wherever a piece ends."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import json_pieces
from jupyter_costmeter.json_pieces import NotJson, pieces

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@given(
    st.dictionaries(st.text(max_size=3), VALUES, max_size=5), st.none() | st.lists(VALUES, max_size=5),
    st.integers(1, 40), st.sampled_from([None, 2]),
)  # fmt: skip
def test_all_of_a_file_comes_whatever_the_pieces(
    body: dict[str, Any], cells: list[Any] | None, chunk: int, indent: int | None
) -> None:
    body.pop("cells", None)
    if cells is not None:
        body = {**body, "cells": cells, "\0": 1}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_pieces, "CHUNK", chunk)
        patched.setattr(json_pieces, "MOST", 10**6)
        found = list(pieces(io.StringIO(json.dumps(body, indent=indent)), "cells"))
    assert [value for key, value in found if key == "cells"] == (cells or [])
    assert {key: value for key, value in found if key != "cells"} == {k: v for k, v in body.items() if k != "cells"}


@pytest.mark.parametrize("number", ["0.0", "12", "-1.5e+10", "1E-7"])
def test_a_number_that_is_read_in_pieces_is_one(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for chunk in range(1, 12):
        monkeypatch.setattr(json_pieces, "CHUNK", chunk)
        assert list(pieces(io.StringIO(f'{{"a":{number}}}'), "cells")) == [("a", json.loads(number))]


def test_a_list_is_not_read_before_it_is_wanted() -> None:
    class Endless(io.StringIO):
        read_so_far = 0

        def read(self, size: int | None = -1) -> str:
            self.read_so_far += size or 0
            return '{"cells": [' if self.read_so_far == size else '{"a": "' + "x" * ((size or 0) - 10) + '"},'

    found = pieces(Endless(), "cells")
    assert all(next(found)[0] == "cells" for _ in range(10))


def test_an_element_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_pieces, "CHUNK", 100)
    file = io.StringIO('{"cells": ["' + "x" * 10**6)
    with pytest.raises(NotJson, match="it is wrong here, or longer than"):
        list(pieces(file, "cells"))
    assert file.tell() < 10**5


@pytest.mark.parametrize(
    ("text", "where"), [('{"a": 1 "b": 2}', 9), ('{"a": 1,}', 9), ("x", 1), ('{"a": tru}', 7), ('{1: 2}', 3)]
)  # fmt: skip
def test_an_error_says_where_it_is(text: str, where: int) -> None:
    with pytest.raises(NotJson, match=rf"\(at character {where}\)$"):
        list(pieces(io.StringIO(text), "cells"))


def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(NotJson):
        list(pieces(io.StringIO('{"a": ' + "[" * 200_000), "cells"))
