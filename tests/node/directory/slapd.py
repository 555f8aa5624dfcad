"""Debian's slapd, with people in it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.base.config_ldap import Ldap

BASE = "dc=one,dc=example"
ADMIN, PASSWORD = f"cn=admin,{BASE}", "not a secret"
CONF = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
maxsize 10485760
directory {folder}/data
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
access to * by users read by anonymous auth
"""


@dataclass
class Slapd:
    """A running LDAP server of Debian on loopback, with a database of its own."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self.program, "-h", self.url, "-f", str(self.folder / "slapd.conf"), "-d", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, "slapd ended at once"
            else:
                return
        raise AssertionError("slapd does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def settings(self, **more: object) -> Ldap:
        given = {"url": self.url, "base": BASE, "bind_dn": ADMIN, "password_file": self.folder / "password", **more}
        return Ldap.model_validate({"enabled": True, **given})

    def modify(self, ldif: str) -> None:
        """Add, change or remove entries."""
        command = ["ldapmodify", "-x", "-a", "-c", "-H", self.url, "-D", ADMIN, "-w", PASSWORD]
        done = subprocess.run(command, input=ldif, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in {0, 68}, done.stderr  # 68: it is there already

    def fill(self, people: Mapping[str, str], aliases: Mapping[str, str], groups: Mapping[str, Sequence[str]]) -> None:
        """Everybody as inetOrgPerson and groupOfNames; aliases are values of `mailLocalAddress`."""
        lines = [f"dn: {BASE}\nobjectClass: organization\nobjectClass: dcObject\no: One\ndc: one\n"]
        for address, name in people.items():
            further = [alias for alias, owner in aliases.items() if owner == address]
            lines.append(
                f"dn: {_dn(address)}\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\n"
                f"cn: {name}\nsn: {name}\nmail: {address}\n"
                + "".join(f"mailLocalAddress: {alias}\n" for alias in further)
            )
        for address, members in groups.items():
            named = [_dn(aliases.get(member, member)) for member in members] or ["uid=gone,dc=one,dc=example"]
            lines.append(
                f"dn: {_dn(address)}\nobjectClass: groupOfNames\nobjectClass: extensibleObject\ncn: {address}\n"
                f"mail: {address}\n" + "".join(f"member: {name}\n" for name in named)
            )
        self.modify("\n".join(lines))


def _dn(address: str) -> str:
    name = address.replace("+", "\\2B")
    return f"uid={name},{BASE}"
