"""XML from strangers: elements and text, nothing else. Document types, and with them all entities of one's own, are
refused unread (the attacks are "a billion laughs" and files or addresses of ours fetched by an external entity)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from node.mailauth.unpack import ReportError

MAX_DEPTH = 16
MAX_ELEMENTS = 1_000_000
MAX_HELD = 5000  # elements kept at a time
MAX_TEXT = 4096  # characters kept of one element's text


@dataclass(slots=True)
class Element:
    """An element without its attributes; `name` in lower case, without its namespace."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Its children of that name, in order."""
        return (child for child in self.children if child.name == name)

    def child(self, name: str) -> Element:
        """Its first child of that name, or an empty one."""
        return next(self.all(name), Element(name))

    def value(self, name: str) -> str:
        """The first child's text without white space around it, on one line, without control characters."""
        text = " ".join(self.child(name).text.split())
        return "".join(mark for mark in text if mark.isprintable())


def parse_xml(data: bytes, seen: Callable[[Element], bool]) -> Element:
    """Read a document.

    Args:
        data: a whole document.
        seen: told each child of the root once it is complete; True drops it, so that it takes no room.

    Raises:
        ReportError: no well-formed XML, a document type, too deep, or too many elements.
    """
    reader = _Reader(seen)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # an unknown encoding is a LookupError
        raise ReportError(f"no well-formed XML: {error}") from None
    assert reader.root is not None  # a document without a root is not well-formed
    return reader.root


def _refuse(*_: object) -> int:
    raise ReportError("a report has no document type and no entities of its own")


class _Reader:
    def __init__(self, seen: Callable[[Element], bool]) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._left = MAX_ELEMENTS
        self._held = 0  # elements that stay
        self._fresh = 0  # elements of the root's child that is being read
        self._seen = seen

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        element = Element(name.rpartition(" ")[2].lower()[:64])
        self._left -= 1
        self._fresh += 1
        if len(self._open) >= MAX_DEPTH or self._left < 0 or self._held + self._fresh > MAX_HELD:
            raise ReportError("the report is nested too deeply or holds too many elements")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        element = self._open.pop()
        if len(self._open) != 1:
            return
        if self._seen(element):
            self._open[0].children.pop()
        else:
            self._held += self._fresh
        self._fresh = 0

    def text(self, text: str) -> None:
        element = self._open[-1]
        element.text += text[: MAX_TEXT - len(element.text)]
