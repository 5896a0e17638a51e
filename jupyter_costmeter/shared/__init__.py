"""The lab's shared ledger: what several people's local ledgers hold, in one PostgreSQL (docs/shared.md).

Local first: the kernel writes its own file, as always, and what waits there (``ledger.outbox``) is sent from the
server's extension or by ``jupyter costmeter sync``. Importing this package costs nothing; the driver comes with the
first connection.
"""
