"""The stack a user would pick instead: Postfix -> LMTP -> Dovecot with maildir, as instances of our own in one folder.

Both come from Debian's packages (`apt-get install postfix dovecot-imapd dovecot-lmtpd`); the system's own services are
neither started nor touched. Needs root, because Postfix does. Run alone it starts the peer and prints where it is:

    python benchmarks/peer.py
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from processes import Processes

DOMAIN = "peer.test"
PASSWORD = "pw"
MAIL_USER = "mail"  # Debian's own; Dovecot delivers as this user
PROGRAMS = ("postfix", "dovecot", "openssl")


@dataclass(frozen=True)
class Peer:
    """A running peer.

    Attributes:
        smtp, imaps: ports on 127.0.0.1; any user name @peer.test exists, its password is `PASSWORD`.
        maildirs: folder with one maildir per user.
        processes: Postfix's and Dovecot's, for CPU time and memory.
    """

    smtp: int
    imaps: int
    maildirs: Path
    processes: Processes

    def stored(self) -> int:
        """Messages that lie in the mailboxes, durable."""
        folders = [user / name for user in self.maildirs.iterdir() for name in ("new", "cur")]
        return sum(len(os.listdir(folder)) for folder in folders if folder.is_dir())


def missing() -> str | None:
    """Why the peer cannot run here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "Postfix can only be started by root"


def free_port() -> int:
    """A port of the loopback nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running() -> Iterator[Peer]:
    """Start the peer in a temporary folder; stop it and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    folder.chmod(0o755)
    smtp, lmtp, imaps = free_port(), free_port(), free_port()
    dovecot, postfix = folder / "dovecot", folder / "postfix"
    try:
        _configure_dovecot(dovecot, lmtp, imaps)
        _configure_postfix(postfix, smtp, lmtp)
        _run("dovecot", "-c", str(dovecot / "dovecot.conf"))
        _run("postfix", "-c", str(postfix / "etc"), "start")
        masters = [_pid(dovecot / "run/master.pid"), _pid(postfix / "spool/pid/master.pid")]
        for port in (smtp, lmtp, imaps):
            _wait_for(port)
        yield Peer(smtp, imaps, dovecot / "mail", Processes(masters))
    finally:
        for file in (postfix / "spool/pid/master.pid", dovecot / "run/master.pid"):
            _stop(file)
        shutil.rmtree(folder, ignore_errors=True)


def _configure_postfix(folder: Path, smtp: int, lmtp: int) -> None:
    for name in ("etc", "spool"):
        (folder / name).mkdir(parents=True)
    data = folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, pwd.getpwnam("postfix").pw_uid, -1)
    (folder / "etc/main.cf").write_text(MAIN_CF.format(folder=folder, domain=DOMAIN, lmtp=lmtp))
    (folder / "etc/master.cf").write_text(MASTER_CF.format(smtp=smtp))


def _configure_dovecot(folder: Path, lmtp: int, imaps: int) -> None:
    user = pwd.getpwnam(MAIL_USER)
    (folder / "run").mkdir(parents=True)
    (folder / "mail").mkdir(mode=0o700)
    os.chown(folder / "mail", user.pw_uid, user.pw_gid)
    subject = ["-subj", f"/CN={DOMAIN}", "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    _run("openssl", "req", "-x509", *subject, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    text = DOVECOT_CONF.format(folder=folder, lmtp=lmtp, imaps=imaps, user=MAIL_USER, domain=DOMAIN, password=PASSWORD)
    (folder / "dovecot.conf").write_text(text)


def _run(*command: str) -> None:
    with tempfile.TemporaryFile("w+") as said:  # not a pipe: a daemon would hold it open for ever
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=60)
        said.seek(0)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read()}")


def _pid(file: Path) -> int:
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()):
        if time.monotonic() > until:
            raise SystemExit(f"no process wrote {file} within 10 seconds")
        time.sleep(0.05)
    return int(file.read_text())


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"nobody listens on port {port} after 10 seconds") from None
            time.sleep(0.05)


def _stop(file: Path) -> None:
    """End one master by its id and wait until it and its children are gone."""
    try:
        pid = int(file.read_text())
        Processes([pid]).end(signal.SIGTERM)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return


MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.{domain}
mydestination =
alias_maps =
biff = no
local_recipient_maps =
mynetworks =
virtual_mailbox_domains = {domain}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
message_size_limit = 67108864
in_flow_delay = 0
"""
# `in_flow_delay = 0`: no brake on reception; the benchmark waits until everything is in the mailbox.

MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_CONF = """
base_dir = {folder}/run
state_dir = {folder}/run
instance_name = benchmark
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
auth_mechanisms = plain
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
mail_uid = {user}
mail_gid = {user}
default_vsz_limit = 1G
mail_max_userip_connections = 1000
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={folder}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  process_min_avail = 2
}}
namespace inbox {{
  inbox = yes
}}
protocol lmtp {{
  postmaster_address = postmaster@{domain}
}}
"""


if __name__ == "__main__":
    why = missing()
    if why:
        raise SystemExit(f"The peer cannot run here: {why}")
    with running() as peer:
        print(f"SMTP 127.0.0.1:{peer.smtp}, IMAPS 127.0.0.1:{peer.imaps}, any user @{DOMAIN}, password {PASSWORD}")
        print("Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            signal.pause()
