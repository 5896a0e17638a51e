"""libc without giving the interpreter lock away (``ctypes.PyDLL``), for what takes microseconds at a window's edge.

Giving the lock away in the middle of a hook hands it to the kernel's IOPub thread; taking it
back was seen to cost 100 to 500 µs.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

LIBC: Any = ctypes.PyDLL(None) if os.name == "posix" else None
