"""Undoing the disguises of letters, and counting them: what a reader sees is what a judge must read.

Follows the idea of the skeleton of UTS #39 (Unicode Security Mechanisms) §4 for the letters that junk really uses: a
letter of another script counts as its Latin twin only inside a word that also holds Latin letters, so that Cyrillic,
Greek and the rest stay themselves.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_ZERO_WIDTH = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
# Between Latin, Greek or Cyrillic letters these only disguise; soft hyphens, and joiners of other scripts, are honest.
_LETTER = "[a-zA-Z\u00c0-\u052f]"
_INSIDE_WORD = re.compile(f"(?<={_LETTER})[\u180e\u200b-\u200f\u2060-\u2064\ufeff]+(?={_LETTER})")
_STYLED = re.compile("[\U0001d400-\U0001d7ff\u2460-\u24ff\uff21-\uff5a\U0001f130-\U0001f189\u210a-\u2134]")
_TWINS = str.maketrans(
    dict(
        zip(
            # Cyrillic, then Greek, Armenian, Cherokee, Latin relatives
            "аеорсхуіјѕһԁԛԝѵкмтвнӏАВЕКМНОРСТХУІЈЅԌҮ"
            "αοορνιυκχγητΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
            "օսոցհ"
            "ᎪᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ"
            "ɑɡıɩʟɴʀꜱɪʏᴀʙᴄᴅᴇꜰɢʜᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢⅼ",
            "aeopcxyijshdqwvkmtbhlABEKMHOPCTXYIJSGY"
            "aoopviukxyntABEZHIKMNOPTYX"
            "ounqh"
            "ABCDEHiJKLMPRSTVWZ"
            "agiilnrsiyabcdefghjkmoptuvwzl",
            strict=True,
        )
    )
)  # fmt: skip
_WORD = re.compile(r"\w{2,100}")
_LATIN = re.compile("[a-zA-Z]")
_TWIN = re.compile("[\u0250-\u02af\u0370-\u052f\u0531-\u0587\u13a0-\u13f5\u1d00-\u1d7f]")
_LEET = re.compile(r"(?<![\w@$.])(?=[a-zA-Z013457@$]*[a-zA-Z][013457@$]{1,2}[a-zA-Z])[a-zA-Z013457@$]{3,20}(?![\w@.])")
_LEET_LETTERS = str.maketrans("013457@$", "oieastas")
_LEET_SIGN = re.compile("[013457@$][a-zA-Z]")  # no leet without it, and it is found ten times as fast
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_][ .*_-]){3,30}[^\W\d_](?!\S)")
_SPACED_MIDDLE = re.compile(r"[ .*_-][^\W\d_][ .*_-][^\W\d_][ .*_-]")  # likewise
_LIMIT = 20_000  # characters looked at for disguises


@dataclass(frozen=True, slots=True)
class Disguises:
    """How often letters were disguised: characters for ``zero_width`` and ``styled``, words for the others."""

    zero_width: int = 0
    styled: int = 0
    mixed: int = 0
    leet: int = 0
    spaced: int = 0

    def __add__(self, other: Disguises) -> Disguises:
        return Disguises(
            self.zero_width + other.zero_width,
            self.styled + other.styled,
            self.mixed + other.mixed,
            self.leet + other.leet,
            self.spaced + other.spaced,
        )

    @property
    def any(self) -> bool:
        return self.zero_width > 4 or self.styled > 5 or self.mixed > 1 or self.leet > 3 or self.spaced > 2


def plain_letters(text: str) -> str:
    """Without zero-width characters, compatibility forms folded (NFKC). Linear in the length of the text."""
    if text.isascii():
        return text
    shown = _ZERO_WIDTH.sub("", text)
    # In pieces: sorting a long run of combining marks takes quadratic time.
    return "".join(unicodedata.normalize("NFKC", shown[at : at + 256]) for at in range(0, len(shown), 256))


def unmasked(text: str) -> tuple[str, Disguises]:
    """A text as a person reads it, and how it was disguised; only the first 20,000 characters are looked at closely."""
    head, rest = text[:_LIMIT], text[_LIMIT:]
    zero_width = styled = mixed = leet = spaced = 0
    if not head.isascii():
        zero_width, styled = len(_INSIDE_WORD.findall(head)), len(_STYLED.findall(head))
    shown = plain_letters(head)
    shown, surplus = shown[:_LIMIT], shown[_LIMIT:]  # one character may become eighteen
    if not shown.isascii():
        shown, mixed = _one_script(shown)
    if _LEET_SIGN.search(shown):
        shown, leet = _without_leet(shown)
    if _SPACED_MIDDLE.search(shown):
        shown, spaced = _SPACED.subn(lambda found: re.sub(r"[ .*_-]", "", found[0]), shown)
    return shown + surplus + plain_letters(rest), Disguises(zero_width, styled, mixed, leet, spaced)


def _without_leet(text: str) -> tuple[str, int]:
    """Words with digits and signs for letters written plainly, and how many; codes of mixed case are left alone."""
    words = 0

    def plainly(found: re.Match[str]) -> str:
        nonlocal words
        word = found[0]
        if not (word.islower() or word.isupper() or word[1:].islower()):
            return word
        words += 1
        return word.translate(_LEET_LETTERS)

    return _LEET.sub(plainly, text), words


def _one_script(text: str) -> tuple[str, int]:
    """Words of two scripts written with Latin letters alone, and how many there were."""
    mixed = 0

    def folded(found: re.Match[str]) -> str:
        nonlocal mixed
        word = found[0]
        if word.isascii() or not _LATIN.search(word) or not _TWIN.search(word):
            return word
        mixed += 1
        return word.translate(_TWINS)

    return _WORD.sub(folded, text), mixed


def skeleton(text: str) -> str:
    """Letters and digits of a name or domain, look-alikes folded to Latin, lower case: equal skeletons look equal.

    "rn" reads as "m", "vv" as "w", digits as the letters they imitate.
    """
    folded = plain_letters(text).translate(_TWINS).casefold().translate(str.maketrans("01358|", "olesbl"))
    folded = "".join(char for char in unicodedata.normalize("NFKD", folded) if char.isalnum())
    spelled = folded.replace("m", "rn").replace("w", "vv").replace("d", "cl")  # one spelling, then one reading of it
    return spelled.replace("rn", "m").replace("vv", "w").replace("cl", "d").replace("i", "l")
