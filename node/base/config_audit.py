"""Settings of the audit trail, and of what the log's leaves leave behind."""

from __future__ import annotations

from pydantic import Field

from node.base.config_places import Section


class Audit(Section):
    """What is remembered of the log's leaves (docs/proof.md)."""

    sent_days: int = Field(
        400,
        ge=1,
        le=36_500,
        description="Days in which a receipt can be made for mail that left: then its salt is deleted.",
    )
