"""What all handlers of the service share: security headers, and errors as statuses with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.log import app_log
from tornado.web import HTTPError, RequestHandler

from ..errors import CostMeterError, LedgerError, UsageError
from ..shared.batches import OtherVersion
from ..shared.store import Refused

if TYPE_CHECKING:
    from .service import Service

#: No script at all, nothing from elsewhere, in nobody's frame.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
AWAY = "the lab's ledger cannot be used just now"
RETRY_S = 30


class Answering(RequestHandler):
    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def told(self, error: BaseException) -> tuple[int, str]:
        """The status and the sentence of an error; what it says of the database is for the service's log only."""
        if isinstance(error, OtherVersion):
            return 409, str(error)
        if isinstance(error, UsageError):
            return 400, str(error)
        if isinstance(error, Refused):
            return 400, str(error).replace(f" {self.service.ledger.address}", "")
        if isinstance(error, (LedgerError, TimeoutError)):
            app_log.warning("jupyter_costmeter: %s", error)
            return 503, AWAY
        if isinstance(error, HTTPError):
            return error.status_code, error.log_message or error.reason or _reason(error.status_code)
        if isinstance(error, CostMeterError):
            app_log.warning("jupyter_costmeter: %s", error)
            return 502, str(error)
        return 500, "the service has a fault; its log says which"

    def write_error(self, status_code: int, **more: Any) -> None:
        error = more.get("exc_info", (None, None, None))[1]
        status, sentence = self.told(error) if error is not None else (status_code, _reason(status_code))
        self.set_status(status)
        if status == 503:
            self.set_header("Retry-After", str(RETRY_S))
        self.say(status, sentence)

    def say(self, status: int, sentence: str) -> None:
        """The answer of an error."""
        self.finish({"message": sentence})

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, CostMeterError):  # ours are told, each with its sentence
            super().log_exception(kind, error, trace)


def _reason(status: int) -> str:
    return {403: "you may not see this", 404: "there is nothing here"}.get(status, "this cannot be answered")
