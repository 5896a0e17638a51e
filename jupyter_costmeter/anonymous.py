"""Records, statements and forms without whose they are: for double-blind review.

Hosts, users, notebooks, projects and cluster partitions get numbers, and absolute paths, links, addresses and those
names (as whole words, in either case and any Unicode form) go out of every text, so the same record reads the same
everywhere in one file. What differs differs there, too: else its figures would not follow from its records.
The region and the times stay: the carbon rests on them. What the author wrote otherwise (methods, parameters) stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast
from unicodedata import normalize

from . import slurm
from .carbon import snapshot
from .derived import Content, Costs, Evidence
from .record import CellRecord, Figure, Provenance, SessionInfo, Usage
from .scrubbing import Scrubber, home_of, variants
from .searches import says_how
from .statement import Experiment, Form, Machine, Statement, Trial
from .tag import Tag
from .toml_files import NAME

NOTE = (
    "Anonymous: hosts, users, paths and the names of notebooks, projects and partitions are left out. The region and"
    " the times stay, since the carbon rests on them; read what you named yourself (methods, parameters, labels)."
)
What = Literal["machine", "person", "notebook", "project", "partition"]
#: Fields that hold no name: of the norms' own words, or what others look up.
KEPT = frozenset({
    "id", "record_id", "session_id", "region", "range_of", "unit", "currency", "key", "asks", "category", "outcome",
    "name", "provider", "cpu", "gpu", "gpus", "gpu_bytes", "gpu_kg", "model", "signal",
})  # fmt: skip
#: What fields of ours say by one word: nobody's name, whatever somebody is called.
OURS = frozenset({
    "measured", "modelled", "assumed", "declared", "own", "cloud", "laptop", "lab", "average", "marginal", "direct",
    "lifecycle", "cell", "held_idle", "background", "remote", "ok", "error", "interrupted", "killed",
})  # fmt: skip
#: Facts of a session that are no texts of anybody's, and those that are JSON by the devices' names.
FACTS, BY_DEVICE = frozenset({"cpu", "cpus", "machine", "memory_bytes", "storage_bytes", "python", "within"}), "devices"
#: What stands for a name: a text without any is the author's own, and no other one reads like it.
ALIAS = re.compile(
    r"(?:machine|person|notebook|project|partition|folder|path|link|address|e-mail) \d|(?:GPU|MIG)-\d"
    rf"|{re.escape(NAME)}"
)
#: Provenances that are remembered: a page of the ledger's records has some dozens.
KEPT_ORIGINS = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Names:
    """Whose and where some records are: each once; notebooks and projects are paths."""

    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()

    def named(self) -> Iterator[tuple[What, str]]:
        """Each with what it is."""
        for what, found in zip(
            ("machine", "person", "notebook", "project", "partition"),
            (self.hosts, self.users, self.notebooks, self.projects, self.partitions),
            strict=True,
        ):
            for name in found:
                yield cast(What, what), name


class Veil:
    """Takes names out of what it is given; the same name is always the same number.

    A name that it did not know is added when it stands where a name stands (a session's host, a record's notebook).

    Args:
        names: all that a file may hold, so that a text is clean that comes before the record that has the name.
        salt: of the codes' hashes; without one they are comparable in one file only.
    """

    def __init__(self, names: Names, salt: str | None = None) -> None:
        self._salt = secrets.token_hex(16) if salt is None else salt
        self._known: dict[tuple[What, str], str] = {}
        self._numbers: dict[str, dict[str, tuple[int, list[str]]]] = {}
        self._placed: set[str] = set()
        self._scrubber = Scrubber({region.id for region in snapshot.regions()})
        self._files: dict[str, str] = {}
        self._taken: dict[tuple[bool, str], str] = {}
        self.text = lru_cache(4096)(self._text)
        self.own = lru_cache(4096)(self._own)
        self.device = lru_cache(4096)(self._device)
        self._origins: dict[int, tuple[Provenance, Provenance]] = {}
        for what, name in names.named():
            self._called(what, name)

    # Names

    def _called(self, what: What, name: str) -> str:
        """``machine 1``."""
        if (what, name) not in self._known:
            file = self._file(name) if what == "notebook" else None
            alias = self._number(what, name) if file is None else self._in_folder(name, file)
            self._known[what, name] = alias
            self._scrubber.add(variants(what, name), alias, file)
            if what in ("notebook", "project") and (user := home_of(name)):
                self._called("person", user)
            self.text.cache_clear()
            self.own.cache_clear()
            self.device.cache_clear()
            self._origins.clear()
        return self._known[what, name]

    def _number(self, what: str, name: str) -> str:
        """Of one name in two forms (a file system that decomposes letters, and one that does not) the same, and said.

        ``notebook 1``, and ``notebook 1 (2)`` for its other form: runs of both are told apart as they were.
        """
        known = self._numbers.setdefault(what, {})
        number, forms = known.setdefault(normalize("NFC", name), (len(known) + 1, []))
        if name not in forms:
            forms.append(name)
        return f"{what} {number}" if name == forms[0] else f"{what} {number} ({1 + forms.index(name)})"

    def _file(self, path: str) -> str:
        """What stands for a notebook's bare name: files of one name in two folders are one experiment."""
        name = os.path.basename(path)
        if name not in self._files:
            self._files[name] = self._number("notebook", name) if name else name
            self._taken[True, self._files[name]] = name
        return self._files[name]

    def _in_folder(self, path: str, file: str) -> str:
        """With its folder where another notebook is called so."""
        if file and file not in self._placed:
            self._placed.add(file)
            return file
        return f"{self._number('folder', os.path.split(path)[0])}/{file}"

    def host(self, name: str) -> str:
        return self._called("machine", name)

    def user(self, name: str) -> str:
        return self._called("person", name)

    def notebook(self, path: str | None) -> str | None:
        return self._called("notebook", path) if path else path

    def project(self, path: str | None) -> str | None:
        return self._called("project", path) if path else path

    # Texts

    def _text(self, value: str) -> str:
        """A text of ours (a source, a reason): without paths, hosts, users, and names of files."""
        if value in OURS:
            return value
        return self._apart(self._scrubber.clean(value), value, False)

    def _own(self, value: str) -> str:
        """A text of the author's (a label, a method), in which a notebook's or project's bare name is that, too."""
        return self._apart(self._scrubber.clean(value, bare=True), value, True)

    def label(self, value: str) -> str:
        """A label, which may be a notebook's name."""
        return self._files.get(value) or self.own(value)

    def _apart(self, clean: str, value: str, own: bool) -> str:
        """Two texts that differ (in a name's case) differ when they are clean: ``by person 1``, ``by person 1 (2)``."""
        if not ALIAS.search(clean):
            return clean
        found, number = clean, 1
        while self._taken.setdefault((own, found), value) != value:
            number += 1
            found = f"{clean} ({number})"
        return found

    def said(self, value: Any) -> Any:
        """What the author said, of any shape that JSON has."""
        if isinstance(value, str):
            return self.own(value)
        if isinstance(value, Mapping):
            return {self.own(str(key)): self.said(one) for key, one in value.items()}
        return [self.said(one) for one in value] if isinstance(value, (list, tuple)) else value

    def _param(self, name: str, value: Any) -> Any:
        """A parameter's value; a way to search (``random``, ``bo``) names nobody, and it is told by its word."""
        return value if says_how(name, value) and says_how("strategy", value) else self.said(value)

    def of(self, value: _T) -> _T:
        """Any of our records, with all in it: each text in it cleaned, each name its number."""
        return cast(_T, self._of(value))

    def _of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            return tuple(map(self._of, value))
        if isinstance(value, Mapping):
            return {key: one if key in KEPT else self._of(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._of(one) for one in value]
        if is_dataclass(value) and not isinstance(value, type):
            return self._special(value) or self._fields(value)
        return value

    def _fields(self, value: _T, *but: str) -> _T:
        kept, record = KEPT.union(but), cast(Any, value)
        changed = {f.name: self._of(getattr(value, f.name)) for f in fields(record) if f.name not in kept}
        return cast(_T, replace(record, **changed))

    def _special(self, value: Any) -> Any:
        """What has names in it; ``None`` for all else."""
        by: dict[type, Any] = {
            SessionInfo: self.session, CellRecord: self.record, Tag: self.tag, Machine: self.machine,
            Experiment: self._experiment, Trial: self._trial, Statement: self._statement,
        }  # fmt: skip
        found = by.get(type(value))
        return found(value) if found else None

    # Records

    def session(self, info: SessionInfo) -> SessionInfo:
        """A session of a numbered host, user, notebook and project."""
        facts = {key: value if key in FACTS else self._fact(key, value) for key, value in info.environment.items()}
        if info.environment.get("partition"):
            facts["partition"] = self._called("partition", info.environment["partition"])
        if slurm.FACT in facts:
            facts |= slurm.sizes(info)
        return replace(
            info, host=self.host(info.host), user=self.user(info.user), notebook=self.notebook(info.notebook),
            project=self.project(info.project), environment=facts, pid=0, pid_started_at=info.started_at,
        )  # fmt: skip

    def _fact(self, name: str, value: str) -> str:
        if not name.startswith(BY_DEVICE):
            return self.text(value)
        return json.dumps({self.device(key): one for key, one in json.loads(value).items()})

    def _device(self, name: str) -> str:
        """As figures and sessions name it alike."""
        return self._scrubber.clean(name)

    def record(self, record: CellRecord) -> CellRecord:
        """A record with the same figures."""
        usage = Usage(record.wall_s, tuple(map(self._figure, record.usage.figures)))
        return replace(
            record, usage=usage, notebook=self.notebook(record.notebook),
            project=self.project(record.project), label=record.label and self.label(record.label),
            error_type=self._maybe(record.error_type), code_hash=self._hashed(record.code_hash),
            cell_id=self._hashed(record.cell_id),
            tags=tuple(map(self.tag, record.tags)),
        )  # fmt: skip

    def _figure(self, one: Figure) -> Figure:
        device, origin = one.device and self.device(one.device), self.provenance(one.provenance)
        if device == one.device and origin is one.provenance:  # of most: a file may have millions
            return one
        return Figure(one.name, one.value, origin, device)

    def provenance(self, one: Provenance) -> Provenance:
        """Known by the object itself, which is kept: a record's figures share theirs with many others."""
        known = self._origins.get(id(one))
        if known is None:
            source, reason = (text and self.text(text) for text in (one.source, one.reason))
            clean = one if (source, reason) == (one.source, one.reason) else replace(one, source=source, reason=reason)
            if len(self._origins) >= KEPT_ORIGINS:
                self._origins.clear()
            known = self._origins[id(one)] = one, clean
        return known[1]

    def _maybe(self, text: str | None) -> str | None:
        return text and self.own(text)

    def _hashed(self, code: str | None) -> str | None:
        """Equal for equal code in one file; the code that somebody has elsewhere cannot be looked up."""
        return code and hashlib.sha256(f"{self._salt}{code}".encode()).hexdigest()

    def tag(self, tag: Tag) -> Tag:
        """What is said of a record, by a numbered user."""
        kind, dot, name = tag.key.partition(".")
        key = f"{kind}{dot}{self.own(name)}" if dot else tag.key
        value = tag.value
        if value is not None and tag.key != "category":
            value = json.dumps(
                self._param(name, json.loads(value)) if kind == "param" else self.said(json.loads(value))
            )
        return replace(
            tag, id=tag.id.removesuffix(tag.key) + key if tag.id.endswith(tag.key) else tag.id, key=key, value=value,
            user=self.user(tag.user), host=self.host(tag.host),
        )  # fmt: skip

    # What is made of them

    def machine(self, one: Machine) -> Machine:
        """A machine without its name; the region stays."""
        partition = one.partition and self._called("partition", one.partition)
        return replace(self._fields(one, "host"), host=self.host(one.host), partition=partition)

    def _experiment(self, one: Experiment) -> Experiment:
        method = self._maybe(one.method)
        name = one.name if one.method is None else one.name.removeprefix(one.method)
        if one.method is not None:
            name = f"{method}{name}"
        elif one.category is None:
            name = self.label(name)
        return replace(self._fields(one, "method"), name=name, method=method)

    def _trial(self, one: Trial) -> Trial:
        own: dict[str, Any] = {"method": self._maybe(one.method), "run": self._maybe(one.run)}
        params = {self.own(name): self._param(name, value) for name, value in one.params.items()}
        scores = self.said(one.scores)
        return replace(self._fields(one, *own, "params", "scores"), **own, params=params, scores=scores)

    def _statement(self, one: Statement) -> Statement:
        named: dict[str, Any] = {"title": self.own(one.title), "scope": self.own(one.scope)}
        clean = replace(self._fields(one, *named), **named)
        return replace(clean, problems=(NOTE, *clean.problems))

    def statement(self, one: Statement) -> Statement:
        """The statement, which says that it is anonymous."""
        return self._statement(one)

    def form(self, one: Form) -> Form:
        """A form; its norm's own words stay as they are."""
        return self._fields(one, "name", "title", "source")

    def content(self, content: Content) -> Content:
        """What an exporter writes, record by record; costs are those of the records as they are."""
        origin: dict[str, CellRecord] = {}

        def cells() -> Iterator[CellRecord]:
            for record in content.cells():
                origin.clear()  # one at a time: there may be a million
                origin[record.id] = record
                yield self.record(record)

        def costs_of(record: CellRecord) -> Costs | None:
            return self.of(content.costs_of(origin.get(record.id, record)))

        def evidence() -> Evidence:
            return self.evidence(content.evidence())

        known: dict[str, Any] = {
            "title": self.own(content.title),
            "sessions": tuple(map(self.session, content.sessions)),
        }
        clean = self._fields(content, *known, "cells", "costs_of", "evidence", "stored")
        known |= {"cells": cells, "costs_of": costs_of, "evidence": evidence, "stored": None}
        return replace(clean, **known, problems=(NOTE, *clean.problems))

    def evidence(self, one: Evidence) -> Evidence:
        """What a file can be verified by: the factors are those of the numbered hosts."""
        statement = one.statement and self.statement(one.statement)
        return Evidence(one.factors and self._factors(one.factors), statement, tuple(map(self.form, one.forms)))

    def _factors(self, factors: Mapping[str, Any]) -> dict[str, Any]:
        conditions = [{**self._of(row), "host": self.host(row["host"]), "region": row.get("region")}
                      for row in factors["conditions"]]  # fmt: skip
        tariffs = [self._of(each) | patterns for each in factors["tariffs"] for patterns in self._patterns(each)]
        return {**self._of(factors), "conditions": conditions, "tariffs": tariffs}

    def _patterns(self, tariff: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """What a tariff's patterns are for numbered hosts and partitions: it fits the same ones, as specifically."""
        for host in self._fitting("machine", tariff["host"]):
            for partition in self._fitting("partition", tariff["partition"]):
                yield {"host": host, "partition": partition}

    def _fitting(self, what: What, pattern: str) -> list[str]:
        if not pattern:
            return [""]
        wild = any(mark in pattern for mark in "*?[")
        return [
            f"{alias[:-1]}[{alias[-1]}]" if wild else alias
            for (known, name), alias in self._known.items()
            if known == what and fnmatchcase(name, pattern)
        ]
