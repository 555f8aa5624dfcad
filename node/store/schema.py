"""The schema, written once in SQLAlchemy Core. Statements are built from it; migrations bring a database to it.

Integers are unix seconds where they are times. Content lives in tables of its own (`blob_data`, `summary`), so that a
scan over messages reads nothing but what it asks for.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint, text

from node.store import (  # noqa: F401 - tables
    schema_annotations,
    schema_holds,
    schema_keys,
    schema_links,
    schema_names,
    schema_oauth,
    schema_oidc,
    schema_passwords,
    schema_replicas,
    schema_witness,
)
from node.store.columns import metadata
from node.store.columns import number as _int
from node.store.columns import octets as _bytes
from node.store.columns import of as _of
from node.store.columns import table as _table
from node.store.columns import words as _text
from node.store.schema_anchors import anchor, chain_transaction
from node.store.schema_audit import audit_event, policy
from node.store.schema_directory import (
    alias,
    delegate,
    directory_change,
    domain,
    group_member,
    mail_group,
    mirrored,
    quota,
    tenant,
    tenant_admin,
)
from node.store.schema_log import checkpoint, leaf, log_entry, log_pack, node

__all__ = [  # what is imported; the tables below come along
    "alias",
    "anchor",
    "audit_event",
    "chain_transaction",
    "checkpoint",
    "delegate",
    "directory_change",
    "domain",
    "group_member",
    "leaf",
    "log_entry",
    "log_pack",
    "mail_group",
    "metadata",
    "mirrored",
    "node",
    "policy",
    "quota",
    "tenant",
    "tenant_admin",
]

# --- people -----------------------------------------------------------------------------------------------------------

account = _table(
    "account",
    _int("id", primary_key=True),
    _text("key", unique=True),  # Address.key: what it is found by
    _text("address"),  # as it was written
    _text("name"),
    _int("modseq"),  # the one counter behind MODSEQ, JMAP state and sync tokens
    _int("uidvalidity"),  # the last one given out; rises for ever
    _int("created"),
    _text("domain", default="", index=True),  # Address.domain
    reuse=False,
)

identity = _table(
    "identity", _text("subject", primary_key=True), _int("account_id", _of("account.id"), index=True), rowid=False
)

app_password = _table(
    "app_password",
    _int("id", primary_key=True),
    _int("account_id", _of("account.id"), index=True),
    _text("name"),
    _text("scopes"),  # names joined by a space
    _text("hash"),
    _int("created"),
    Column("last_used", Integer),
    Column("scram", LargeBinary),  # auth.scram_keys; null: made before there were any
)

publication = _table(
    "publication",
    _int("account_id", _of("account.id"), primary_key=True),
    _text("shown"),  # subjects of identities, JSON
    _int("since"),
)

nonce = _table("nonce", _text("nonce", primary_key=True), _text("session"), _int("expires", index=True), rowid=False)

web_session = _table(
    "web_session",
    _bytes("token_sha256", primary_key=True),
    _int("account_id", _of("account.id"), index=True),
    _int("expires", index=True),
    Column("began", Integer, nullable=False, server_default=text("0")),  # 0: before this was written down
    _int("strong", default=0),  # 1: opened by a signature, or by a password and a second factor
    rowid=False,
)

passkey_owner = _table(
    "passkey_owner",
    _int("account_id", _of("account.id"), primary_key=True),
    _bytes("handle", unique=True),  # WebAuthn's user handle: random, says nothing about the person
)

passkey = _table(
    "passkey",
    _int("id", primary_key=True),
    _int("account_id", _of("account.id"), index=True),
    _bytes("credential_id", unique=True),
    _bytes("public_key"),  # COSE_Key
    _int("sign_count"),
    _text("name"),
    _text("transports"),  # words joined by a space
    _int("backup_eligible"),
    _int("backed_up"),
    _int("created"),
    Column("last_used", Integer),
    reuse=False,  # an admin's command must not meet another passkey
)

# --- token gates ------------------------------------------------------------------------------------------------------

gate = _table(
    "gate",
    _text("use", primary_key=True),  # gates.Use
    _text("target", primary_key=True),  # Address.key, or a domain
    _text("rule"),
    _text("revoke"),
    _int("changed"),
    _text("others", default="filter"),  # gates.Others
    rowid=False,
)

gate_pass = _table(
    "gate_pass",
    _int("account_id", _of("account.id"), primary_key=True),
    _bytes("digest", primary_key=True),  # of the rule and of who asked
    _int("time", index=True),
    rowid=False,
)

# --- sending ----------------------------------------------------------------------------------------------------------

sending = _table(
    "sending",
    _int("account_id", _of("account.id"), primary_key=True),
    _int("step"),  # node.checks.sending.Step
    _int("since"),
    _bytes("baseline"),  # node.checks.baseline.pack
)

correspondent = _table(
    "correspondent",
    _int("account_id", _of("account.id"), primary_key=True),
    _int("digest", primary_key=True),  # of an address or a domain
    _int("last", index=True),
    rowid=False,
)

contact = _table(
    "contact",
    _int("account_id", _of("account.id"), primary_key=True),
    _int("digest", primary_key=True),  # of an address, by sending.digest
    _int("sent"),
    _int("received"),
    _int("junked"),
    _int("first"),  # days since 1970, as is last
    _int("last", index=True),
    rowid=False,
)

sent_id = _table(
    "sent_id",
    _int("digest", primary_key=True),  # of a Message-ID
    _int("account_id", _of("account.id"), primary_key=True, index=True),
    _int("day", index=True),
    rowid=False,
)

security_event = _table(
    "security_event",
    _int("id", primary_key=True),
    _int("account_id", _of("account.id"), index=True),
    _int("time", index=True),
    _text("kind"),
    _text("network"),
    _text("app_password"),  # its name then; it may be revoked since
    _int("messages"),
    _int("recipients"),
    _int("fresh"),
    _text("details"),
)

# --- content ----------------------------------------------------------------------------------------------------------

blob = _table(
    "blob",
    _int("id", primary_key=True),
    _bytes("sha256", unique=True),
    _int("size"),
    _int("form"),  # blobs.Form
    _text("file"),  # below <dir>/blobs, for FILE
    _int("refs"),
    reuse=False,  # caches know content by this id
)
Index("ix_blob_unreferenced", blob.c.id, sqlite_where=text("refs = 0"))

blob_data = _table("blob_data", _int("blob_id", _of("blob.id"), primary_key=True), _bytes("content"))

part = _table(
    "part",
    _bytes("reference", primary_key=True),
    Column("blob_id", Integer, ForeignKey("blob.id", ondelete="SET NULL"), index=True),  # null: begun, or to be cleared
    _int("position"),  # in the message
    _bytes("cid"),  # b"" while it is being written
    _bytes("header", index=True),
    _text("profile"),
    _int("size"),
    _text("name"),
    _int("created"),
    rowid=False,
)

part_key = _table(
    "part_key",
    _bytes("reference", _of("part.reference"), primary_key=True),
    _int("account_id", primary_key=True),  # no reference: an account's end must not take a key that others read with
    _int("blob_id", _of("blob.id"), index=True),  # shredded with the message, in its transaction
    _bytes("wrapped"),
    rowid=False,
)

summary = _table(
    "summary",
    _int("blob_id", _of("blob.id"), primary_key=True),
    _bytes("envelope"),
    _bytes("body"),
    _bytes("bodystructure"),
    _bytes("layout"),
)

# --- mail -------------------------------------------------------------------------------------------------------------

mailbox = _table(
    "mailbox",
    _int("id", primary_key=True),
    _int("account_id", _of("account.id")),
    _text("name"),
    _int("uidvalidity"),
    _int("uidnext"),
    _int("messages"),
    _int("unseen"),
    _int("deleted"),
    _int("size"),
    _int("highestmodseq"),
    _text("special_use"),
    _int("selectable"),
    UniqueConstraint("account_id", "name"),
    reuse=False,
)

subscription = _table(
    "subscription",
    _int("account_id", _of("account.id"), primary_key=True),
    _text("name", primary_key=True),
    rowid=False,
)

message = _table(
    "message",
    _int("mailbox_id", ForeignKey("mailbox.id"), primary_key=True),
    _int("uid", primary_key=True),
    _int("blob_id", ForeignKey("blob.id"), index=True),
    _int("size"),
    _int("flags"),
    _text("keywords"),  # sorted, joined by a space; "" for none
    _int("internaldate"),
    _int("modseq"),
    _int("saved"),
    rowid=False,
)

change = _table(
    "change",
    _int("seq", primary_key=True),
    _int("account_id"),
    _int("modseq"),
    _int("mailbox_id"),
    _int("uid"),
    _int("kind"),  # changes.KINDS
    Column("origin", Integer, nullable=False, server_default=text("0")),  # changes.DELIVERED, ...
    Index("ix_change_account_id_modseq", "account_id", "modseq"),
)

cursor = _table("cursor", _text("name", primary_key=True), _int("seq"), rowid=False)

spool = _table(
    "spool",
    _int("id", primary_key=True),
    _int("blob_id", ForeignKey("blob.id"), index=True),
    _text("sender"),
    _text("recipient"),
    _int("created"),
    _int("next_attempt", index=True),
    _int("attempts"),
    _int("expires"),
    _text("last_reply"),
    _int("smtputf8"),
    reuse=False,  # the runner remembers ids of entries that rest
)

held = _table(
    "held",
    _int("id", primary_key=True),
    _int("blob_id", ForeignKey("blob.id"), index=True),
    _int("size"),
    _text("sender"),  # the reverse-path
    _text("author"),  # the first address of From, "" when there is none to speak of
    _text("subject"),
    _text("why"),
    _text("verdict"),  # Reason of the opinion that decided
    _int("received", index=True),
    _int("expires", index=True),
    reuse=False,  # an admin's command must not meet another message
)

held_recipient = _table(
    "held_recipient",
    _int("held_id", _of("held.id"), primary_key=True),
    _int("account_id", primary_key=True, index=True),  # no reference: the account may go first
    _text("address"),
    rowid=False,
)

# --- learning ---------------------------------------------------------------------------------------------------------

lesson = _table(
    "lesson",
    _int("id", primary_key=True),
    Column("account_id", Integer, _of("account.id")),  # null: administrators and traps
    _bytes("sha256"),  # of the message
    _int("is_spam"),
    _text("source"),  # ai.teachers.Source
    _int("marks"),  # lessons.Marks: the message's keywords when it was last looked at
    _int("time"),
    _int("scheme"),  # ai.heads.scheme
    _bytes("facts"),  # ai.lessons.Facts, packed
    UniqueConstraint("account_id", "sha256"),
    reuse=False,  # heads remember the last one they were taught
)
Index("ix_lesson_account_id", lesson.c.account_id)

head = _table(
    "head",
    _int("id", primary_key=True),
    Column("account_id", Integer, _of("account.id"), unique=True),  # null: the node's own
    _int("version", index=True),  # rises with every change of any head
    _int("last"),  # lesson that it was taught last
    _int("floor"),  # lessons up to it do not count, since a reset
    _int("stale"),  # lessons taken back since it was made: above 0 it has to be made again
    _bytes("content"),  # ai.heads.Head
)
