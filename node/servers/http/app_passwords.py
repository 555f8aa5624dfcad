"""App passwords over HTTP: as forms on the account page, and as JSON for programs."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.auth.app_passwords import AppPasswordError
from node.servers.http.body import Body, read_form, read_json
from node.servers.http.house import answer_json, house, visitor, wants_json
from node.servers.http.pages import account_page
from node.servers.http.problem import LOGIN_FIRST, NOT_FOUND, Problem, answer_problem
from node.store.app_passwords import AppPassword


class CreateRequest(Body):
    """POST /app-passwords."""

    name: str
    scopes: list[str]


async def listing(request: Request) -> Response:
    """GET /app-passwords: the account's, without the passwords themselves."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    rows = await house(request).passwords.listing(person)
    return answer_json({"app_passwords": [_described(row) for row in rows]})


async def create(request: Request) -> Response:
    """POST /app-passwords: make one and show it, this once."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    if wants_json(request):
        asked = await read_json(request, CreateRequest)
        name, scopes = asked.name, asked.scopes
    else:
        form = await read_form(request)
        name, scopes = form.get("name", [""])[0], form.get("scope", [])
    here = house(request)
    try:
        created = await here.passwords.create(person, name, scopes)
    except AppPasswordError as error:
        words = str(error)[0].upper() + str(error)[1:] + "."
        if wants_json(request):
            return answer_problem(request, Problem(422, "unusable", "The app password was not made", words))
        return await account_page(here, person, 422, mistake=words, typed=name[:200], chosen=scopes)
    if wants_json(request):
        return answer_json({**_described(created.row), "password": created.password, "username": person.address}, 201)
    return await account_page(here, person, created=created)


async def revoke(request: Request) -> Response:
    """POST /app-passwords/{id}/revoke and DELETE /app-passwords/{id}: end one at once."""
    person = await visitor(request)
    if person is None:
        return answer_problem(request, LOGIN_FIRST)
    id = request.path_params["id"]
    if id >= 1 << 63 or not await house(request).passwords.revoke(person, id):  # no row number is that large
        return answer_problem(request, NOT_FOUND)
    if request.method == "DELETE" or wants_json(request):
        return Response(status_code=204)
    return RedirectResponse("/account", 303)


def _described(row: AppPassword) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": sorted(row.scopes),
        "created": row.created,
        "last_used": row.last_used,
    }
