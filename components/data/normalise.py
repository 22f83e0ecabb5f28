"""A text as it is compared with others: what a reader would call the same is the same."""

from __future__ import annotations

import re
import unicodedata

_PROSE = "!\"'(),.:;?[]_`{}¡«»¿·…‘’‚‛“”„‟‹›–—―،؛؟۔।॥、。〈〉《》「」『』【】"
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_TO_SPACE = str.maketrans(dict.fromkeys(_PROSE, " "))


def normalised(text: str) -> str:
    """``text`` in NFKC, lower case, punctuation of prose as space, white space folded.

    A hyphen between letters is a space too (``top-up`` is ``top up``). Signs that carry meaning stay (``3 + 4`` is not
    ``3 - 4``); a text of nothing but punctuation stays as it is.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    lowered = _HYPHEN.sub(" ", plain.lower()) if "-" in plain else plain.lower()
    return " ".join(lowered.translate(_TO_SPACE).split()) or " ".join(lowered.split())
