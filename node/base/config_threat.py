"""Settings of the threat check, and of what is held back for an administrator."""

from __future__ import annotations

from pydantic import Field

from node.base.config_opinions import Policy
from node.base.config_places import Section


class Threat(Section):
    """Mail made to rob, deceive or infect, judged apart from spam; and what is held back (docs/threats.md)."""

    enabled: bool = Field(True, description="Off: no threat score. What other checks hold is held all the same.")
    at: float = Field(0.9, gt=0, le=1, description="Threat score from which `action` is taken.")
    action: Policy = Field("junk", description="What becomes of such mail: refuse, hold, junk or tag (header only).")
    executable: Policy = Field("hold", description="The same for mail that carries a program, also inside an archive.")
    deadline_seconds: float = Field(1.0, gt=0, le=60, description="A slower answer counts as none.")
    hold_days: int = Field(30, ge=1, le=365, description="Days after which held mail is dropped undecided.")
    notices: bool = Field(True, description="Tell people in a note when mail for them is held or was dropped.")
