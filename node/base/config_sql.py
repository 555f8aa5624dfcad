"""Settings of a directory in an SQL database."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from node.base.config_places import Section


class SqlDirectory(Section):
    """People, aliases and groups from an SQL database, only read, beside the node's own (docs/directory.md)."""

    enabled: bool = Field(False, description="Ask the database whose an address is.")
    url: str = Field("", description="SQLAlchemy's URL, without a password. Its driver has to be installed.")
    password_file: Path | None = Field(None, description="File with the database's password.")
    people_query: str = Field(
        "SELECT address, name FROM people WHERE person = "
        "(SELECT person FROM people WHERE address = :address) ORDER BY main DESC, address",
        description="Rows of address and name, the one that names the account first, for the person of :address.",
    )
    group_query: str = Field(
        "SELECT member FROM members WHERE address = :address",
        description="Addresses of the members of the group :address.",
    )
    deadline_seconds: float = Field(5, gt=0, le=30, description="A slower answer counts as none: mail gets 4xx.")
    fresh_seconds: float = Field(60, ge=0, le=3600, description="So long an answer counts without asking again.")

    @field_validator("people_query", "group_query")
    @classmethod
    def _asks_for_an_address(cls, value: str) -> str:
        if ":address" not in value:
            raise ValueError("the query needs :address where the address belongs")
        return value
