"""The panel as a whole: what goes wrong while it is open leaves it as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.base.config import Classifier, Settings
from node.base.config_mailauth import MailAuth
from node.base.errors import ConfigError
from node.checks.classifier import ContentClassifier
from node.checks.mailauth import MailAuthCheck
from node.service.judges import open_panel
from node.store.database import Database

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("enabled", [True, False])
async def test_an_error_leaves_the_panel_as_it_is(tmp_path: Path, enabled: bool) -> None:
    settings = Settings(hostname="mx.house.example", data=tmp_path, mailauth=MailAuth(enabled=enabled))

    async def fail() -> None:
        async with (
            Database.open(tmp_path / "waxseal.db") as database,
            open_panel(settings, ContentClassifier(Classifier(enabled=False)), database) as panel,
        ):
            assert any(isinstance(check, MailAuthCheck) for check in panel.checks) is enabled
            assert (panel.arriving is not None) is enabled
            raise ConfigError("the port is taken")

    with pytest.raises(ConfigError, match="the port is taken"):
        await fail()
