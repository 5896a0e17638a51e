"""Every error that this package raises on purpose.

::

    CostMeterError
    ├── UsageError          bad words from the user: says what was meant, or what there is
    ├── ReportError         a report cannot be written where it was asked for
    └── LedgerError
        ├── LedgerUnwritable    read-only, full disk: metering goes on in memory
        └── LedgerTooNew        written by a later version: says which
"""


class CostMeterError(Exception):
    """Base of all; its text is for the user and says what to do."""


class UsageError(CostMeterError):
    pass


class ReportError(CostMeterError):
    pass


class LedgerError(CostMeterError):
    pass


class LedgerUnwritable(LedgerError):
    pass


class LedgerTooNew(LedgerError):
    pass
