"""`waxseal dns` and `waxseal dkim` against a name server on this machine."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

DOMAIN = "house.test"


class Server(socketserver.ThreadingUDPServer):
    """Answers from a zone file's lines."""

    lines: str = ""
    silent = False


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        query = dns.message.from_wire(wire)
        reply, (question,) = dns.message.make_response(query, recursion_available=True), query.question
        zone = dns.zone.from_text(f"$TTL 60\n{self.server.lines}\n", "test.", relativize=False, check_origin=False)
        node = zone.get_node(question.name)
        if self.server.silent:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif node is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif rdataset := node.get_rdataset(question.rdclass, question.rdtype):
            reply.find_rrset(reply.answer, question.name, question.rdclass, question.rdtype, create=True).update(
                rdataset
            )
        socket.sendto(reply.to_wire(), self.client_address)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def _shown(waxseal, place) -> str:
    said = waxseal("dns", "show", DOMAIN, "-c", place.config)
    assert said.code == 0, said.err
    return said.out


@pytest.fixture
def house(waxseal, place):
    assert waxseal("domain", "add", DOMAIN, "-c", place.config).code == 0
    return place


def _checked(waxseal, place, server) -> tuple[int, dict[str, str], str]:
    said = waxseal("dns", "check", DOMAIN, "--server", f"127.0.0.1:{server.server_address[1]}", "-c", place.config)
    lines = [line.split("\t") for line in said.out.splitlines() if "\t" in line]
    return said.code, {f"{role} {name}": state for state, role, name, _ in lines}, said.out


def test_what_is_shown_is_a_zone_that_passes(waxseal, house, server) -> None:
    server.lines = _shown(waxseal, house) + "mx.example.test. IN A 192.0.2.1\n"
    assert _shown(waxseal, house) in server.lines, "keys are made once"
    code, states, out = _checked(waxseal, house, server)
    assert (code, set(states.values())) == (0, {"fine"}), out
    assert sum(name.startswith("dkim") for name in states) == 2
    assert all(len(line) < 600 for line in server.lines.splitlines())


def test_what_differs_is_told(waxseal, house, server) -> None:
    zone = _shown(waxseal, house)
    lines = [line for line in zone.splitlines() if not line.startswith(";")]
    server.lines = (
        "\n".join(
            line.replace("10 mx.example.test.", "5 other.test.")
            for line in lines
            if "e2" not in line[:2] and "v=DMARC1" not in line
        )
        .replace("v=spf1 mx -all", "v=spf1 include:elsewhere.test -all")
        .replace("p=MIIB", "p=MIIC")
    )
    server.lines += f'\n_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=none"\n_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=reject"'
    code, states, out = _checked(waxseal, house, server)
    assert code == 1
    assert states["host mx.example.test."] == "missing"
    assert states[f"mx {DOMAIN}."] == states[f"spf {DOMAIN}."] == states[f"dmarc _dmarc.{DOMAIN}."] == "differs"
    assert sorted(state for name, state in states.items() if name.startswith("dkim")) == ["differs", "missing"]
    assert "found:  5 other.test" in out
    assert "wanted: _dmarc" in out


def test_an_spf_record_may_say_more(waxseal, house, server) -> None:
    server.lines = _shown(waxseal, house).replace("v=spf1 mx -all", "v=spf1 ip4:192.0.2.1 mx ~all")
    _, states, _ = _checked(waxseal, house, server)
    assert states[f"spf {DOMAIN}."] == "fine"


def test_a_silent_name_server_is_no_verdict(waxseal, house, server) -> None:
    server.silent = True
    code, states, _ = _checked(waxseal, house, server)
    assert (code, set(states.values())) == (3, {"unknown"})


def test_a_new_pair_is_published_before_it_signs(waxseal, house, server) -> None:
    before = _shown(waxseal, house)
    said = waxseal("dkim", "rotate", DOMAIN, "-c", house.config)
    assert said.code == 0
    assert len(said.out.splitlines()) == 2
    assert "Publish these before" in said.err
    after = _shown(waxseal, house)
    assert after.count("v=DKIM1") == 4
    assert all(line in after for line in [*before.splitlines(), *said.out.splitlines()])
    listed = waxseal("dkim", "list", DOMAIN, "-c", house.config).out
    assert (listed.count("signs until"), listed.count("signs from")) == (2, 2)
    assert waxseal("dkim", "rotate", DOMAIN, "--publish-days", "0", "-c", house.config).code == 0
    assert waxseal("dkim", "list", "-c", house.config).out.count("its record stays until") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dns", "show", "elsewhere.test"), "no domain of this node"),
        (("dns", "check", "elsewhere.test"), "no domain of this node"),
        (("dkim", "rotate", "elsewhere.test"), "no domain of this node"),
        (("dkim", "list", "../keys"), "bad label"),
        (("dns", "check", DOMAIN, "--server", "ns.example.test"), "is no address"),
        (("dkim", "rotate", DOMAIN, "--publish-days", "-1"), "--publish-days"),
    ],
)
def test_mistakes_are_told(waxseal, house, arguments, words) -> None:
    said = waxseal(*arguments, "-c", house.config)
    assert said.code != 0
    assert words in said.words
