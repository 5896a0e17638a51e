"""JSON, schema 2: the verifiable file (docs/verify.md, ``costmeter-2.schema.json``).

All raw facts, one record a line, with the factors, the figures that follow from both, and a hash chain over the
records. The records (``cells``, of all buckets) without a ``parent_id`` add up to the summary's totals.
"""

from __future__ import annotations

import json
from typing import IO

from .. import chain, verifiable
from ..derived import Content


class JsonExporter:
    suffix = "json"
    media_type = "application/json"

    def write(self, out: IO[str], content: Content) -> None:
        head, made, comma = verifiable.head_of(content), chain.Chain(), ""
        out.write(json.dumps(head, indent=1)[:-2])
        out.write(',\n "cells": [')
        for record in (content.stored or content.cells)():  # one at a time: there may be a million
            out.write(f"{comma}\n  {made.line(record)}")
            comma = ","
        origins = dict(sorted(made.provenances.items()))
        whole = verifiable.whole(made.head, {**head, "provenances": origins})
        ends = {"algorithm": chain.ALGORITHM, "records": made.count, "head": made.head, "whole": whole}
        out.write(f'\n ],\n "provenances": {json.dumps(origins, indent=1)},\n "chain": {json.dumps(ends)}\n}}\n')
