"""rspamd as a benchmark subject: Debian's configuration, Bayes in a Redis of its own, nothing that asks the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filter_programs import Judge, Server, Unanswered, absent, ask, first_line, listens, pinned, started, wait_until
from processes import Processes

from ai.data.corpus import Sample

MIN_LEARNS = 200  # of each kind, before which its Bayes says nothing (SpamAssassin's as well)
# They ask DNS or somebody's server, or answer differently the second time: the same terms as SpamAssassin's --local.
OFF = (
    "antivirus arc asn bimi clickhouse dcc dkim dkim_signing dmarc elastic external_services greylist history_redis "
    "mx_check neural p0f ratelimit rbl replies reputation rspamd_update spf surbl url_redirector"
)
LOADED = b"full hyperscan database of"  # said by the main process, the controller and each worker
CACHED = b"compiled 0 regular expressions"  # then the main process loaded it before it forked


class Rspamd:
    """rspamd: its "add header" score is where it calls a message spam."""

    name = "rspamd"
    threshold = 6.0

    def missing(self) -> str | None:
        return absent("rspamd", "redis-server")

    def version(self) -> str:
        return f"{first_line('rspamd', '--version')}; {first_line('redis-server', '--version')}"

    def learn(self, folder: Path, samples: Sequence[Sample]) -> None:
        _configure(folder, workers=1)
        kinds = {True: [one for one in samples if one.is_spam], False: [one for one in samples if not one.is_spam]}
        with self._running(folder, 1, []):
            for is_spam, command in ((False, b"learnham"), (True, b"learnspam")):
                learnt = sum(_learn(folder / "learn.sock", command, sample.raw) for sample in kinds[is_spam])
                if learnt < MIN_LEARNS:
                    raise SystemExit(f"rspamd learnt {learnt} messages only ({command.decode()}); see {folder}/log")
            if b"+OK" not in ask(folder / "redis.sock", b"SAVE\r\nQUIT\r\n", half_close=False):
                raise SystemExit(f"Redis did not save what rspamd learnt; see {folder}/redis/output")

    @contextmanager
    def serving(self, folder: Path, workers: int, cores: Sequence[int]) -> Iterator[Server]:
        _configure(folder, workers)
        with self._running(folder, workers, cores) as roots:
            yield Server([_judge(folder / "scan.sock")] * workers, Processes(roots))

    @contextmanager
    def _running(self, folder: Path, workers: int, cores: Sequence[int]) -> Iterator[list[int]]:
        log = folder / "log"
        log.write_bytes(b"")
        redis = ["redis-server", "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--save", ""]
        dirs = [f"--var={name}={folder}" for name in ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")]
        command = ["rspamd", "-f", "-i", "-c", "/etc/rspamd/rspamd.conf", *dirs]
        with ExitStack() as stack:
            run = [
                (redis, folder / "redis", lambda: listens(folder / "redis.sock")),
                (command, folder, lambda: _compiled(log.read_bytes(), workers)),
            ]
            roots = []
            for line, place, ready in run:
                process = stack.enter_context(started(pinned(cores, *line) if cores else line, place))
                wait_until(ready, process, log if place == folder else place / "output")
                roots.append(process.pid)
            yield roots


def _compiled(log: bytes, workers: int) -> bool:
    """Every process uses the compiled expressions; before, it is several times slower."""
    loaded = log.count(LOADED)
    return loaded >= workers + 2 or (loaded > 0 and CACHED in log)


def _configure(folder: Path, workers: int) -> None:
    """Debian's files stay as they are; these few come on top (rspamd's override.d)."""
    top = folder / "override.d"
    top.mkdir(exist_ok=True)
    (folder / "redis").mkdir(exist_ok=True)
    files = {f"{name}.conf": "enabled = false;\n" for name in OFF.split()}
    files |= {
        "worker-normal.inc": f'bind_socket = "{folder}/scan.sock mode=0600"; count = {workers};\n',
        "worker-controller.inc": f'bind_socket = "{folder}/learn.sock mode=0600"; count = 1;\n',
        "worker-proxy.inc": "enabled = false; count = -1;\n",
        "worker-fuzzy.inc": "enabled = false; count = -1;\n",
        "hfilter.conf": "from_enabled = false; hostname_enabled = false; helo_enabled = false;\n",
        "phishing.conf": "phishtank_enabled = false;\n",
        "options.inc": 'filters = "chartable,regexp";\n'
        'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.05s; retransmits = 1; }\n',
        "logging.inc": f'type = "file"; filename = "{folder}/log"; level = "info";\n',
        "classifier-bayes.conf": f'servers = "{folder}/redis.sock"; autolearn = false; min_learns = {MIN_LEARNS};\n',
    }
    for name, text in files.items():
        (top / name).write_text(text)


def _request(path: bytes, raw: bytes, extra: bytes = b"") -> bytes:
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n"
    return head % (path, extra, len(raw)) + raw


def _body(reply: bytes) -> dict[str, object]:
    """The JSON object in an HTTP answer. Raises Unanswered when there is none."""
    head, _, body = reply.partition(b"\r\n\r\n")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not head.startswith(b"HTTP/1.") or not isinstance(found, dict):
        raise Unanswered(repr(reply[:200]))
    return found


def rspamd_score(reply: bytes) -> float:
    """The score in an answer of /checkv2."""
    score = _body(reply).get("score")
    if not isinstance(score, int | float):
        raise Unanswered(repr(reply[:200]))
    return float(score)


def _learn(path: Path, command: bytes, raw: bytes) -> bool:
    """Teach one message; False when rspamd declines it (too short, or seen already)."""
    try:
        return (
            _body(ask(path, _request(command, raw, b"Learn-Type: bulk\r\n"), half_close=False)).get("success") is True
        )
    except Unanswered:
        return False


def _judge(path: Path) -> Judge:
    return lambda raw: rspamd_score(ask(path, _request(b"checkv2", raw), half_close=False))
