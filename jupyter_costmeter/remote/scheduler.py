"""What is asked of a Dask scheduler. It is sent by value: a scheduler need not have jupyter_costmeter."""

from __future__ import annotations

from typing import Any


def read(session: str, since: float, dask_scheduler: Any = None) -> dict[str, Any]:
    """What workers told of one session's cells so far, and which workers have gone.

    Args:
        session: its id.
        since: seconds since 1970, by the scheduler's clock, from which on workers that have gone are wanted.
        dask_scheduler: given by the scheduler.
    """
    from distributed.scheduler import heartbeat_interval

    begins = f"costmeter|{session}-"
    kept = dask_scheduler.cumulative_worker_metrics
    numbers = {name: kept[name] for name in list(kept) if isinstance(name, str) and name.startswith(begins)}
    gone = []
    for at, message in reversed(list(dask_scheduler.get_events("all"))):
        if at < since:
            break
        if message.get("action") == "remove-worker":
            cells: dict[str, list[int]] = {}
            for place, which in enumerate(("processing-tasks", "lost-computed-tasks")):
                for key in message[which]:
                    task = dask_scheduler.tasks.get(key)
                    mark = ((task.annotations if task else None) or {}).get("costmeter", "")
                    if mark.startswith(f"{session}-"):
                        cells.setdefault(mark.partition("|")[0], [0, 0])[place] += 1
            gone.append((message["worker"], at, bool(message["expected"]), cells))
    workers = len(dask_scheduler.workers)
    return {"numbers": numbers, "gone": gone, "workers": workers, "every_s": heartbeat_interval(workers)}


def forget(cells: list[str], dask_scheduler: Any = None) -> None:
    """These cells have been read for the last time."""
    begins = tuple(f"costmeter|{cell}|" for cell in cells)
    kept = dask_scheduler.cumulative_worker_metrics
    for name in [name for name in kept if isinstance(name, str) and name.startswith(begins)]:
        kept.pop(name, None)
