"""Blocks of code in pages of Markdown."""

from __future__ import annotations

import re

#: A block's language and text.
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
