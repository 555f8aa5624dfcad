"""Settings of the further opinions: other programs that are asked about a message. All off by default."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from node.base.config_places import PlaceText, Section, is_near, place


class Daemon(Section):
    """A program of somebody else's that is asked about each message. With it down, mail flows."""

    enabled: bool = Field(False, description="Ask it about each message. `waxseal doctor` says whether it answers.")
    deadline_seconds: float = Field(10.0, gt=0, le=120, description="A slower answer counts as none.")
    connections: int = Field(8, ge=1, le=256, description="Messages it is asked about at a time.")


class Rspamd(Daemon):
    """A second judgement by rspamd (POST /checkv2 to its normal worker)."""

    server: PlaceText = Field(place("127.0.0.1:11333"), description="host:port, or the path of a Unix socket.")
    max_kib: int = Field(8192, ge=1, le=262_144, description="It is not asked about larger messages.")
    junk_at: float | None = Field(None, description="Points that send mail to Junk. Empty: where rspamd adds a header.")
    refuse_at: float | None = Field(None, description="Points that refuse mail with 550. Empty: never.")


class SpamAssassin(Daemon):
    """A second judgement by SpamAssassin's spamd (SPAMC/1.5)."""

    server: PlaceText = Field(place("127.0.0.1:783"), description="host:port, or the path of a Unix socket.")
    user: str = Field(
        "", pattern=r"^[A-Za-z0-9._@+-]{0,100}$", description="Whose preferences hold. Empty: spamd's own."
    )
    max_kib: int = Field(512, ge=1, le=262_144, description="It is not asked about larger messages.")
    junk_at: float | None = Field(None, description="Points that send mail to Junk. Empty: spamd's required score.")
    refuse_at: float | None = Field(None, description="Points that refuse mail with 550. Empty: never.")


Policy = Literal["refuse", "hold", "junk", "tag"]


class ClamAv(Daemon):
    """Known viruses, found by ClamAV's clamd (INSTREAM)."""

    server: PlaceText = Field(place("/run/clamav/clamd.ctl"), description="host:port, or the path of a Unix socket.")
    max_kib: int = Field(25_600, ge=1, le=2_097_152, description="No larger than clamd's own StreamMaxLength.")
    infected: Policy = Field("refuse", description="What becomes of a message with a virus: refuse, hold, junk or tag.")
    doubtful: Policy = Field("junk", description="The same for what is only suspected (names in Heuristics. and PUA.).")


class LanguageModel(Section):
    """A language model's second opinion on what the classifier is not sure of (docs/opinions.md says what it sees)."""

    enabled: bool = Field(False, description="Ask it. What it is sent is redacted, but it is sent.")
    endpoint: str = Field("http://127.0.0.1:11434/v1", description="OpenAI-compatible API, without /chat/completions.")
    model: str = Field("", max_length=200, description="The model's name there.")
    dialect: Literal["classic", "reasoning"] = Field(
        "classic", description="reasoning: for models that refuse temperature and max_tokens."
    )
    api_key_file: Path | None = Field(None, description="File whose first line is the API key. Empty: no key.")
    api_key_variable: str = Field("", description="Environment variable with the key, where there is no file.")
    deadline_seconds: float = Field(8.0, gt=0, le=120, description="A slower answer counts as none.")
    connections: int = Field(2, ge=1, le=64, description="Questions under way at a time.")
    per_hour: int = Field(200, ge=1, description="Questions an hour at most: a flood of mail must not cost a fortune.")
    max_characters: int = Field(4000, ge=200, le=8000, description="Characters of text it is shown.")
    grey_zone: float = Field(1.5, gt=0, le=20, description="Asked this near to junk_at, either side, in log-odds.")
    raise_by: float = Field(1.5, ge=0, le=20, description="How far it may raise the score, in log-odds.")
    lower_by: float = Field(0.75, ge=0, le=20, description="How far it may lower the score, in log-odds.")
    remember_hours: float = Field(24, ge=0, le=720, description="How long an answer holds for the same redacted text.")

    @field_validator("endpoint")
    @classmethod
    def _is_private(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.query or url.fragment:
            raise ValueError("an endpoint is https://host/path, without a name, password or ?")
        if url.scheme == "http" and not is_near(url.hostname):
            raise ValueError("mail goes to another network over https:// only")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_a_model(self) -> LanguageModel:
        if self.enabled and not self.model:
            raise ValueError("set model, the name that the endpoint knows it by")
        return self
