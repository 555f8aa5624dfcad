"""Request bodies: JSON or a plain form, read strictly."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_FIELDS = 50


class Body(BaseModel):
    """Something sent to us; unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


B = TypeVar("B", bound=Body)


async def read_json(request: Request, kind: type[B]) -> B:
    """The body as JSON.

    Raises:
        HTTPException: 400 when it is not what `kind` describes.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(400)
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(400) from None


async def read_form(request: Request) -> dict[str, list[str]]:
    """The body as an HTML form sends it; every field may come several times.

    Raises:
        HTTPException: 400 when it is no form.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(400)
    try:
        text = (await request.body()).decode("ascii")
        return parse_qs(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise HTTPException(400) from None
