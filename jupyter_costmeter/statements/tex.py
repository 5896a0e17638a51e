"""Any text as LaTeX that pdflatex sets without a package: ASCII only, nothing in it a command of its own."""

from __future__ import annotations

import unicodedata

#: What LaTeX reads as something else, or sets as something else (ligatures, the glyphs of OT1). ``[`` and ``*`` may
#: follow the end of a table's row, which would take them for its own.
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_\allowbreak{}", "^": r"\textasciicircum{}", "~": r"\ensuremath{\sim}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{\ttfamily\char34}", "'": "'{}", "`": r"\textasciigrave{}",
    "-": "-{}", "[": "{[}", "]": "{]}", "*": "{*}", "/": r"/\allowbreak{}", ",": ",{}", "?": "?{}", "!": "!{}",
}  # fmt: skip
MATHS = {
    "±": "pm", "×": "times", "÷": "div", "≥": "geq", "≤": "leq", "≈": "approx", "≠": "neq", "∞": "infty", "·": "cdot",
    "→": "rightarrow", "←": "leftarrow", "↑": "uparrow", "↓": "downarrow", "⇒": "Rightarrow", "∑": "sum", "∏": "prod",
    "√": "surd", "∂": "partial", "∇": "nabla", "∈": "in", "∼": "sim", "∝": "propto", "−": "-", "µ": "mu", "¬": "neg",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "ς": "varsigma", "τ": "tau", "υ": "upsilon", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma",
    "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi",
    "Ψ": "Psi", "Ω": "Omega", "∅": "emptyset", "∩": "cap", "∪": "cup", "∧": "wedge", "∨": "vee", "∀": "forall",
    "∃": "exists", "°": "circ",
}  # fmt: skip
LETTERS = {
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "å": r"\aa{}", "Å": r"\AA{}", "§": r"\S{}", "¶": r"\P{}", "†": r"\dag{}",
    "‡": r"\ddag{}", "©": r"\copyright{}", "£": r"\pounds{}", "…": r"\ldots{}", "–": "--{}", "—": "---{}", "‐": "-{}",
    "‑": r"\mbox{-}", "‘": "`{}", "’": "'{}", "“": "``{}", "”": "''{}", "«": r"\ensuremath{\ll}",
    "»": r"\ensuremath{\gg}", "•": r"\textbullet{}", "¡": r"\textexclamdown{}", "¿": r"\textquestiondown{}",
    "\N{NO-BREAK SPACE}": "~", "\N{NARROW NO-BREAK SPACE}": r"\,", "\N{THIN SPACE}": r"\,", "✓": r"\ensuremath{\surd}",
    "✗": r"\ensuremath{\times}", "≫": r"\ensuremath{\gg}", "≪": r"\ensuremath{\ll}",
}  # fmt: skip
#: Combining accents that every font of LaTeX has.
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0331": "b",
}  # fmt: skip
SUPER, SUB = "<super>", "<sub>"


def escaped(text: str) -> str:
    """The text in one paragraph. What no font of plain LaTeX has is written as its code point: ``<U+4E2D>``."""
    return "".join(map(_escaped, " ".join(text.split())))


def _escaped(char: str) -> str:
    if char in SPECIAL:
        return SPECIAL[char]
    if " " <= char <= "~":
        return char
    if char in MATHS:
        name = MATHS[char]
        return rf"\ensuremath{{{chr(92) if len(name) > 1 else ''}{name}}}"
    return LETTERS.get(char) or _accented(char) or _shifted(char) or _code(char)


def _accented(char: str) -> str | None:
    r"""``é`` as ``\'{e}``."""
    parts = unicodedata.normalize("NFD", char)
    if len(parts) != 2 or not (parts[0].isascii() and parts[0].isalpha()) or parts[1] not in ACCENTS:
        return None
    letter = rf"\{parts[0]}" if parts[0] in "ij" and parts[1] not in "\u0323\u0327\u0331" else parts[0]
    return rf"\{ACCENTS[parts[1]]}{{{letter}}}"


def _shifted(char: str) -> str | None:
    """``₂`` and ``²``, and what looks like an ASCII letter (wide, bold, a ligature)."""
    kind, _, codes = unicodedata.decomposition(char).rpartition(">")
    plain = unicodedata.normalize("NFKC", char)
    if not kind or not codes or not all(" " <= c <= "~" for c in plain) or not plain.strip():
        return None
    body = "".join(map(_escaped, plain))
    if kind in ("<super", "<sub"):
        return rf"\text{kind[1:]}script{{{body}}}"
    return body if kind in ("<wide", "<font", "<compat", "<noBreak", "<narrow") else None


def _code(char: str) -> str:
    return rf"{{\ttfamily\textless{{}}U+{ord(char):04X}\textgreater{{}}}}"
