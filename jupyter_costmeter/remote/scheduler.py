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

    begins, workers = f"costmeter|{session}-", len(dask_scheduler.workers)
    numbers, gone = _numbers(dask_scheduler, begins), _gone(dask_scheduler, f"{session}-", since)
    return {"numbers": numbers, "gone": gone, "every_s": heartbeat_interval(workers)}


def _numbers(dask_scheduler: Any, begins: str) -> dict[str, float]:
    kept = dask_scheduler.cumulative_worker_metrics
    numbers = {name: kept[name] for name in list(kept) if isinstance(name, str) and name.startswith(begins)}
    for _, message in dask_scheduler.get_events("costmeter"):  # of workers that have left
        for name, value in message["numbers"].items():
            if name.startswith(begins):
                numbers[name] = numbers.get(name, 0) + value
    return numbers


def _gone(dask_scheduler: Any, begins: str, since: float) -> list[Any]:
    """Workers that went, with how many of each cell's tasks they ran then, and how many results they had."""
    found = []
    for at, message in reversed(dask_scheduler.get_events("all")):
        if at < since:
            break
        if message.get("action") == "remove-worker":
            cells: dict[str, list[int]] = {}
            for place, which in enumerate(("processing-tasks", "lost-computed-tasks")):
                for cell in _cells(dask_scheduler, message[which], begins):
                    cells.setdefault(cell, [0, 0])[place] += 1
            found.append((message["worker"], at, bool(message["expected"]), cells))
    return found


def _cells(dask_scheduler: Any, keys: Any, begins: str) -> list[str]:
    """The cells that tasks are of."""
    tasks = [dask_scheduler.tasks.get(key) for key in keys]
    marks = [(task.annotations or {}).get("costmeter", "") for task in tasks if task is not None]
    return [mark.partition("|")[0] for mark in marks if mark.startswith(begins)]


def forget(cells: list[str], dask_scheduler: Any = None) -> None:
    """These cells have been read for the last time."""
    begins = tuple(f"costmeter|{cell}|" for cell in cells)
    kept = dask_scheduler.cumulative_worker_metrics
    for name in [name for name in kept if isinstance(name, str) and name.startswith(begins)]:
        kept.pop(name, None)
