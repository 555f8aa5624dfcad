"""What goes to the client: gathered into pieces of a size worth sending, held back when the client does not read."""

from __future__ import annotations

from node.net.stream import Connection

HIGH = 64 * 1024


class Output:
    """Octets on their way to one client. Memory stays near `HIGH` when every writer of much calls `drain`."""

    __slots__ = ("_connection", "_pieces", "_size")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add octets; nothing is sent yet."""
        self._pieces.append(data)
        self._size += len(data)

    async def drain(self) -> None:
        """Send when enough has gathered; waits for a slow client."""
        if self._size >= HIGH:
            await self.flush()

    async def flush(self) -> None:
        """Send everything.

        Raises:
            Disconnected: the client is gone.
            trio.TooSlowError: the client does not read.
        """
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            self._size = 0
            await self._connection.send(data)
