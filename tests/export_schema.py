"""The JSON Schema of the verifiable file, made of the records' own types. Run it to write the file anew."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jupyter_costmeter import chain, verifiable
from jupyter_costmeter.assumptions import Water
from jupyter_costmeter.clouds import CloudPrice
from jupyter_costmeter.conditions import Conditions
from jupyter_costmeter.derived import Bill, Footprint
from jupyter_costmeter.embodied import Hardware
from jupyter_costmeter.record import CellRecord, Provenance, SessionInfo, Summary
from jupyter_costmeter.statement import Form, Statement
from jupyter_costmeter.tag import Tag
from jupyter_costmeter.tariffs import Tariff

Json = dict[str, Any]
PATH = Path(verifiable.__file__).parent / "exporters" / "costmeter-2.schema.json"
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SIMPLE: dict[Any, Json] = {
    float: {"type": "number"}, int: {"type": "integer"}, str: {"type": "string"}, bool: {"type": "boolean"},
    Any: {}, object: {}, Decimal: {"type": "string", "pattern": "^-?[0-9.]+(E[+-]?[0-9]+)?$"},
    date: {"type": "string", "format": "date"},
}  # fmt: skip


class Types:
    """Schemas of types; those of records stand in ``defs`` once."""

    def __init__(self) -> None:
        self.defs: dict[str, Json] = {}

    def of(self, kind: Any) -> Json:
        """What JSON of that type is like (``plain``)."""
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if dataclasses.is_dataclass(kind):
            return self.record(typing.cast(type, kind))
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [{"type": "null"} if one is type(None) else self.of(one) for one in inner]}
        if origin is typing.Literal:
            return {"enum": list(inner)}
        if origin is tuple:
            if inner[1:] == (...,):
                return {"type": "array", "items": self.of(inner[0])}
            each = [self.of(one) for one in inner]
            return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
        if origin is frozenset:
            return {"type": "array", "items": self.of(inner[0])}
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        return SIMPLE[kind]

    def record(self, kind: type) -> Json:
        if kind.__name__ not in self.defs:
            self.defs[kind.__name__] = {}  # it may hold itself
            self.defs[kind.__name__] = whole(self.fields(kind), kind.__doc__)
        return {"$ref": f"#/$defs/{kind.__name__}"}

    def fields(self, kind: type, *but: str) -> dict[str, Json]:
        hints = typing.get_type_hints(kind)
        return {f.name: self.of(hints[f.name]) for f in dataclasses.fields(typing.cast(Any, kind)) if f.name not in but}


def whole(properties: dict[str, Json], doc: str | None = None) -> Json:
    """An object of exactly these."""
    said = {"description": doc.split("\n\n")[0].replace("\n", " ")} if doc else {}
    return {**said, "type": "object", "properties": properties, "required": list(properties),
            "additionalProperties": False}  # fmt: skip


def optional(schema: Json) -> Json:
    return {"anyOf": [{"type": "null"}, schema]}


def listed(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def schema() -> Json:
    """All of it."""
    known = Types()
    costs = whole({**known.fields(Footprint), "bills": listed(known.of(Bill)), "clouds": listed(known.of(Bill))})
    used = {name: optional({"type": "number"}) for name in ("held_s", "used_s", "share")}
    used |= {name: optional({"type": "string"}) for name in ("bound", "method")}
    placed = {"host": {"type": "string"}, "from_hour": {"type": "integer"}, **known.fields(Conditions)}
    factors = whole({
        "conditions": listed(whole(placed)),
        "hourly_before": optional({"type": "number"}), "hardware": optional(known.of(Hardware)),
        "water": optional(known.of(Water)), "tariffs": listed(known.of(Tariff)), "clouds": listed(known.of(CloudPrice)),
    })  # fmt: skip
    ends = whole({"algorithm": {"const": chain.ALGORITHM}, "records": {"type": "integer", "minimum": 0},
                  "head": {"anyOf": [DIGEST, {"const": chain.START}]}, "whole": DIGEST})  # fmt: skip
    parts = {
        "schema": {"const": verifiable.SCHEMA},
        "software": whole({"name": {"const": "jupyter_costmeter"}, "version": {"type": "string"}}),
        "title": {"type": "string"}, "made_at": {"type": "number"},
        "units": {"type": "object", "additionalProperties": {"type": "string"}},
        "summary": known.of(Summary), "gpu_utilisation": optional(whole(used)), "costs": optional(costs),
        "factors": optional(factors), "statement": optional(known.of(Statement)), "forms": listed(known.of(Form)),
        "problems": listed({"type": "string"}), "sessions": listed(known.of(SessionInfo)), "cells": listed(cell(known)),
        "provenances": {"type": "object", "propertyNames": {"pattern": "^[0-9a-f]{20}$"},
                        "additionalProperties": known.of(Provenance)},
        "chain": ends,
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:jupyter-costmeter:export:2",
        "title": "What cells cost, with all that it follows from: jupyter_costmeter's verifiable file (docs/verify.md)",
        **whole(parts),
        "$defs": dict(sorted(known.defs.items())),
    }


def cell(known: Types) -> Json:
    """One record: the lines between ``"cells": [`` and ``]``."""
    figure = whole({"name": {"type": "string"}, "device": optional({"type": "string"}),
                    "value": optional({"type": "number"}), "provenance": {"type": "string"}})  # fmt: skip
    return whole({
        **known.fields(CellRecord, "usage", "tags"), "wall_s": {"type": "number"}, "figures": listed(figure),
        "tags": listed(whole(known.fields(Tag, "record_id"))), "number": {"type": "integer", "minimum": 1},
        "hash": DIGEST,
    }, CellRecord.__doc__)  # fmt: skip


def text() -> str:
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
