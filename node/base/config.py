"""The settings file: one typed home for everything that needs a restart. Read whole or refused whole.

What admins change at run time (domains, people, keys) lives in the database instead. `waxseal config explain`
prints this file's documentation and defaults.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from node.base.address import AddressError, normalize_domain, parse_address
from node.base.config_anchor import Anchor
from node.base.config_audit import Audit
from node.base.config_chains import Chains, Gates
from node.base.config_did import Dids
from node.base.config_ipfs import Ipfs
from node.base.config_ldap import Ldap
from node.base.config_links import Gateway, Links
from node.base.config_logins import Logins
from node.base.config_mailauth import MailAuth
from node.base.config_names import Ens, Signup
from node.base.config_oauth import OAuth
from node.base.config_oidc import Oidc
from node.base.config_opinions import ClamAv, LanguageModel, Rspamd, SpamAssassin
from node.base.config_places import Endpoint, Endpoints, EndpointText, Section, at
from node.base.config_sql import SqlDirectory
from node.base.config_threat import Threat
from node.base.config_witness import Witnessing
from node.base.errors import ConfigError

__all__ = ["Endpoint", "Section", "Settings", "parse_settings", "section_of"]


class Smtp(Section):
    """Mail from other servers (port 25)."""

    listen: Endpoints = Field(at("0.0.0.0:25"), description="Where other mail servers reach this node.")
    max_message_mib: int = Field(64, ge=1, le=2048, description="Largest message, in MiB, announced with SIZE.")
    max_recipients: int = Field(1000, ge=100, description="Recipients in one transaction (RFC 5321: 100 or more).")
    max_connections: int = Field(1000, ge=1, description="Connections at a time, all ports of SMTP together.")
    max_connections_per_address: int = Field(50, ge=1, description="Connections at a time from one network address.")


class Submission(Section):
    """Mail from this node's own people (587 and 465)."""

    listen_starttls: Endpoints = Field(at("0.0.0.0:587"), description="Submission with STARTTLS (RFC 6409).")
    listen_tls: Endpoints = Field(at("0.0.0.0:465"), description="Submission over TLS from the first byte (RFC 8314).")


class Imap(Section):
    """Reading mail."""

    listen_starttls: Endpoints = Field(at("0.0.0.0:143"), description="IMAP with STARTTLS; logging in needs TLS.")
    listen_tls: Endpoints = Field(at("0.0.0.0:993"), description="IMAP over TLS from the first byte (RFC 8314).")
    max_connections: int = Field(10_000, ge=1, description="Connections at a time.")
    max_connections_per_address: int = Field(200, ge=1, description="Connections at a time from one network address.")


class Http(Section):
    """Login page, receipts, log and metrics."""

    listen: Endpoints = Field(at("127.0.0.1:8080"), description="Where the pages are served.")
    tls: bool = Field(False, description="Serve HTTPS here; leave it off behind a proxy that does TLS.")
    origin: str = Field(
        "",
        description="The address people type, such as https://mail.example.org. Wallet logins are bound to it. "
        "Empty: made from hostname and port.",
    )

    @field_validator("origin")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("an origin starts with https:// (or http:// on loopback)")
        return value.rstrip("/")


class Tls(Section):
    """The certificate of SMTP, submission, IMAP and HTTP."""

    certificate: Path | None = Field(None, description="PEM file with the chain. Empty: a self-made CA.")
    key: Path | None = Field(None, description="PEM file with the private key.")

    @model_validator(mode="after")
    def _both_or_none(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("set both certificate and key, or neither")
        return self


class Wallet(Section):
    """Logging in with a wallet."""

    chain_ids: list[int] = Field(
        [1], min_length=1, description="EIP-155 chain ids a login may name, beside those of chains.rpc."
    )
    solana_chains: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9:_-]{1,64}$")]] = Field(
        ["mainnet"], description="Chains a Solana wallet's login may name. Empty: no Solana wallet logs in."
    )
    session_hours: int = Field(12, ge=1, le=720, description="How long a browser stays logged in.")


class Classifier(Section):
    """The transformer that judges mail while SMTP waits."""

    enabled: bool = Field(True, description="Off: mail is accepted and marked unscored.")
    model: Path | None = Field(None, description="Folder with the model. Empty: the one that ships with Waxseal.")
    engine: Literal["onnx", "torch"] = Field("onnx", description="torch runs `checkpoint` in a process of its own.")
    checkpoint: Path | None = Field(None, description="With torch: a Hugging Face sequence classifier's folder.")
    deadline_seconds: float = Field(2.0, gt=0, le=60, description="A slower answer counts as none: unscored.")
    workers: int = Field(2, ge=1, le=64, description="Messages scored at a time.")
    waiting: int = Field(100, ge=0, le=10_000, description="Messages that may wait for it; more go unscored at once.")
    junk_at: float | None = Field(None, ge=0, le=1, description="Score that sends mail to Junk. Empty: model's own.")
    refuse_at: float | None = Field(None, ge=0, le=1, description="Score that refuses mail with 550. Empty: never.")

    @model_validator(mode="after")
    def _torch_needs_a_checkpoint(self) -> Classifier:
        if self.engine == "torch" and self.checkpoint is None:
            raise ValueError('engine = "torch" needs checkpoint, the folder of a Hugging Face sequence classifier')
        return self


class Learning(Section):
    """Learning from what people do with their mail (docs/learning.md)."""

    enabled: bool = Field(True, description="Off: nothing is learned, and what was learned is not used.")
    from_people: bool = Field(True, description="People's corrections also teach the node's own head, a little each.")
    traps: list[str] = Field(
        [], max_length=100, description="Addresses of accounts nobody reads: mail to them is spam."
    )

    @field_validator("traps")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        try:
            return [str(parse_address(text)) for text in value]
        except AddressError as error:
            raise ValueError(str(error)) from None


class Sending(Section):
    """The lookout over what each account sends: a stolen app password is slowed down, then locked."""

    enabled: bool = Field(True, description="Off: no limit on what people send, and nothing is remembered of it.")
    new_recipients_per_hour: int = Field(100, ge=10, description="Allowance of an account that is not known yet.")
    new_recipients_per_day: int = Field(400, ge=20, description="Likewise a day; known accounts follow their own use.")
    max_recipients_per_hour: int = Field(1000, ge=10, description="More is never usual, however an account has grown.")
    max_recipients_per_day: int = Field(5000, ge=20, description="Likewise a day; raise both for large newsletters.")

    @model_validator(mode="after")
    def _most_is_most(self) -> Sending:
        if self.max_recipients_per_hour < self.new_recipients_per_hour:
            raise ValueError("max_recipients_per_hour is less than new_recipients_per_hour")
        if self.max_recipients_per_day < self.new_recipients_per_day:
            raise ValueError("max_recipients_per_day is less than new_recipients_per_day")
        return self


class Offload(Section):
    """Large attachments in the content-addressed block store."""

    enabled: bool = Field(True, description="Cut large attachments out of stored messages; clients do not notice.")
    threshold_kib: int = Field(1024, ge=16, description="Attachments from this decoded size on leave the message.")
    archive_after_days: int = Field(0, ge=0, description="Messages this old leave the database whole. 0: they stay.")


class Relay(Section):
    """Mail to the outside."""

    smarthost: EndpointText | None = Field(None, description="Hand outgoing mail to this server. Empty: ask DNS.")
    port: int = Field(25, ge=1, le=65535, description="Port of the servers that MX records name.")


class Log(Section):
    """What the program says about itself (standard error)."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level that is written.")
    json_lines: bool = Field(True, description="One JSON object a line; false: text for people.")


class Settings(Section):
    """Everything in `waxseal.toml`."""

    hostname: str = Field(description="This node's own name in DNS; greets in SMTP and IMAP, names the log.")
    data: Path = Field(Path("/var/lib/waxseal"), description="Database, blobs, keys, chain and blocks.")
    smtp: Smtp = Smtp()
    submission: Submission = Submission()
    imap: Imap = Imap()
    http: Http = Http()
    tls: Tls = Tls()
    wallet: Wallet = Wallet()
    logins: Logins = Logins()
    oauth: OAuth = OAuth()
    oidc: Oidc = Oidc()
    chains: Chains = Chains()
    gates: Gates = Gates()
    did: Dids = Dids()
    ldap: Ldap = Ldap()
    sql_directory: SqlDirectory = SqlDirectory()
    ens: Ens = Ens()
    signup: Signup = Signup()
    classifier: Classifier = Classifier()
    rspamd: Rspamd = Rspamd()
    spamassassin: SpamAssassin = SpamAssassin()
    clamav: ClamAv = ClamAv()
    language_model: LanguageModel = LanguageModel()
    learning: Learning = Learning()
    threat: Threat = Threat()
    mailauth: MailAuth = MailAuth()
    sending: Sending = Sending()
    offload: Offload = Offload()
    ipfs: Ipfs = Ipfs()
    gateway: Gateway = Gateway()
    links: Links = Links()
    anchor: Anchor = Anchor()
    witness: Witnessing = Witnessing()
    audit: Audit = Audit()
    relay: Relay = Relay()
    log: Log = Log()

    @field_validator("hostname")
    @classmethod
    def _normal(cls, value: str) -> str:
        try:
            return normalize_domain(value)
        except AddressError as error:
            raise ValueError(str(error)) from None


def parse_settings(text: str, source: str = "waxseal.toml") -> Settings:
    """Read the settings file's text.

    Raises:
        ConfigError: with every fault found, one a line, each naming its key and what to write instead.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is no TOML: {error}") from None
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        faults = [_fault(cast("dict[str, Any]", item)) for item in error.errors()]
        raise ConfigError("\n".join([f"{source} cannot be used:", *faults])) from None


def _fault(item: dict[str, Any]) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(path[-1], _keys(path[:-1]), n=1)
        hint = f'; did you mean "{close[0]}"?' if close else "; `waxseal config explain` lists all keys"
        return f"  {key}: unknown key{hint}"
    if item["type"] == "missing":
        return f"  {key}: must be set"
    return f"  {key}: {item['msg'].removeprefix('Value error, ')}"


def _keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in path:
        model = section_of(model, part) or model
    return list(model.model_fields)


def section_of(model: type[BaseModel], name: str) -> type[Section] | None:
    """The section a field of `model` holds, or None when the field is a plain setting."""
    field = model.model_fields.get(name)
    kind = field.annotation if field else None
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None
