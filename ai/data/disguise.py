"""How junk hides, applied to our own training mail: the same tricks that the adversarial tests play."""

from __future__ import annotations

import random

from ai.data.compose import Letter, compose
from ai.data.scenarios import Scenario

_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\u00ad"
_TWINS = str.maketrans("aeopcxyiABEHKMOPCTX", "аеорсхуіАВЕНКМОРСТХ")  # Cyrillic
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_STYLES = (0x1D400, 0x1D434, 0x1D468, 0x1D5D4, 0x1D608, 0x1D63C, 0x1D670)  # mathematical bold, italic, sans, typewriter


def with_zero_width(chance: random.Random, text: str, share: float = 0.25) -> str:
    """Invisible characters inside words."""
    return "".join(
        char + chance.choice(_ZERO_WIDTH) if char.isalpha() and chance.random() < share else char for char in text
    )


def with_twins(chance: random.Random, text: str, share: float = 0.5) -> str:
    """Latin letters replaced by Cyrillic ones of the same look, word by word."""
    return " ".join(word.translate(_TWINS) if chance.random() < share else word for word in text.split(" "))


def with_leet(chance: random.Random, text: str, share: float = 0.4) -> str:
    """Digits and signs for letters, word by word."""
    return " ".join(word.translate(_LEET) if chance.random() < share else word for word in text.split(" "))


def with_typos(chance: random.Random, text: str, share: float = 0.15) -> str:
    """Swapped, doubled and dropped letters."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 3 and chance.random() < share:
            spot = chance.randrange(1, len(word) - 1)
            before, here, after = word[:spot], word[spot], word[spot + 1 :]
            words[at] = chance.choice((before + after[0] + here + after[1:], before + here * 2 + after, before + after))
    return " ".join(words)


def styled(chance: random.Random, text: str) -> str:
    """Letters from the mathematical alphabets, which look like bold or italic ones."""
    base = chance.choice(_STYLES)

    def one(char: str) -> str:
        if "A" <= char <= "Z":
            return chr(base + ord(char) - 65)
        return chr(base + 26 + ord(char) - 97) if "a" <= char <= "z" else char

    # The italic "h" has no place in its block (it is the Planck constant elsewhere).
    return "".join(one(char) for char in text).replace("\U0001d455", "\u210e")


def spaced(chance: random.Random, text: str) -> str:
    """L i k e  t h i s."""
    return " ".join(" ".join(word) if len(word) > 3 and chance.random() < 0.5 else word for word in text.split(" "))


_TRICKS = (with_zero_width, with_twins, with_leet, with_typos, spaced)


def disguise(chance: random.Random, letter: Letter, innocents: tuple[Scenario, ...]) -> str:
    """Change a spam letter in place by one of the known tricks, or put innocent letters' words before or after it.

    Answers which end of the text is still its own: "head", "tail", or "" for both.
    """
    roll = chance.random()
    if roll < 0.4:
        trick = chance.choice(_TRICKS)
        letter.paragraphs[:] = [trick(chance, text) for text in letter.paragraphs]
        if chance.random() < 0.5:
            letter.subject = trick(chance, letter.subject)
    elif roll < 0.55:
        letter.subject = styled(chance, letter.subject)
        letter.name = styled(chance, letter.name) if chance.random() < 0.6 else letter.name
    else:
        return lengthen(chance, letter, innocents)
    return ""


def lengthen(chance: random.Random, letter: Letter, innocents: tuple[Scenario, ...]) -> str:
    """Put innocent letters' words before or after a letter; which end is still its own, "head" or "tail"."""
    cover = innocent_text(chance, innocents, words=chance.choice((60, 150, 400)))
    if chance.random() < 0.5:
        letter.before = cover
        return "tail"
    letter.after = cover
    return "head"


def innocent_text(chance: random.Random, innocents: tuple[Scenario, ...], words: int) -> str:
    """At least ``words`` words of wanted mail (fewer when there is nothing more to say)."""
    said: list[str] = []
    for _ in range(12):
        said += compose(chance, chance.choice(innocents)).paragraphs
        if sum(text.count(" ") + 1 for text in said) >= words:
            break
    return "\n\n".join(said)
