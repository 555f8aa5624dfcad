"""Which function runs which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from node.servers.imap import (
    basic,
    copy,
    expunge,
    fetch,
    idle,
    listing,
    login,
    mailboxes,
    metadata,
    quota,
    search,
    status,
    store,
)
from node.servers.imap.answer import Answer
from node.wire.imap import basic as basic_wire
from node.wire.imap import copy as copy_wire
from node.wire.imap import expunge as expunge_wire
from node.wire.imap import fetch as fetch_wire
from node.wire.imap import listing as listing_wire
from node.wire.imap import login as login_wire
from node.wire.imap import mailboxes as mailboxes_wire
from node.wire.imap import metadata as metadata_wire
from node.wire.imap import quota as quota_wire
from node.wire.imap import search as search_wire
from node.wire.imap import status as status_wire
from node.wire.imap import store as store_wire
from node.wire.imap.commands import Command

if TYPE_CHECKING:
    from node.servers.imap.session import Session

Work = Awaitable[Answer | None]

_BARE: dict[type[Any], Callable[[Session], Work]] = {
    basic_wire.Capability: basic.capability,
    basic_wire.Noop: basic.noop,
    basic_wire.Logout: basic.logout,
    basic_wire.Namespace: basic.namespace,
    basic_wire.Idle: idle.idle,
    mailboxes_wire.Check: basic.noop,
    mailboxes_wire.Close: mailboxes.close,
    mailboxes_wire.Unselect: mailboxes.unselect,
}

_WITH_ARGUMENTS: dict[type[Any], Callable[[Session, Any], Work]] = {
    basic_wire.Id: basic.identify,
    basic_wire.Enable: basic.enable,
    login_wire.Login: login.login,
    login_wire.Authenticate: login.authenticate,
    mailboxes_wire.Select: mailboxes.select,
    mailboxes_wire.Create: mailboxes.create,
    mailboxes_wire.Delete: mailboxes.delete,
    mailboxes_wire.Rename: mailboxes.rename,
    mailboxes_wire.Subscribe: mailboxes.subscribe,
    listing_wire.List: listing.list_,
    listing_wire.Lsub: listing.lsub,
    status_wire.Status: status.status,
    quota_wire.GetQuota: quota.get_quota,
    quota_wire.GetQuotaRoot: quota.get_quota_root,
    quota_wire.SetQuota: quota.set_quota,
    metadata_wire.GetMetadata: metadata.get_metadata,
    metadata_wire.SetMetadata: metadata.set_metadata,
    fetch_wire.Fetch: fetch.fetch,
    store_wire.Store: store.store,
    copy_wire.Copy: copy.copy,
    copy_wire.Move: copy.move,
    expunge_wire.Expunge: expunge.expunge,
}


def execute(session: Session, tag: bytes, command: Command) -> Work:
    """The command under way: its answer, or None when it has answered itself."""
    kind = type(command)
    if kind in _BARE:
        return _BARE[kind](session)
    if kind is basic_wire.StartTls:
        return basic.start_tls(session, tag)
    if isinstance(command, search_wire.Search):
        return search.search(session, tag, command)  # ESEARCH responses name their command's tag
    return _WITH_ARGUMENTS[kind](session, command)
