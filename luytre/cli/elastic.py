"""`luytre elastic`: set Elasticsearch up for alerts, and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from luytre.cli.doctor import show
from luytre.cli.output import say
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, JsonOption, read_config
from luytre.core.errors import Refused
from luytre.store import elastic_check
from luytre.store.elastic import ElasticAlertStore

if TYPE_CHECKING:
    from pathlib import Path

    from luytre.core.config_alerts import ElasticConfig

app = typer.Typer(no_args_is_help=True, help="Set up and check Elasticsearch.")


@app.command()
def setup(config: ConfigOption = None) -> None:
    """Write the templates, and bring indices that exist to them. May be repeated at any time."""
    settings = read_config(config)
    found = _elastic(config)
    recorded(settings, "elastic.setup", "templates")
    store = ElasticAlertStore(found)
    for line in store.set_up():
        say(line)
    store.close()


@app.command()
def check(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Check nodes, certificates, templates, disk, and that a document gets in. Exit 1 if bad."""
    show(list(elastic_check.examine(_elastic(config))), as_json=as_json)


def _elastic(path: Path | None) -> ElasticConfig:
    found = read_config(path).alerts.elastic
    if not found.urls:
        raise Refused("alerts are kept in SQLite here: alerts.elastic.urls names no node")
    return found
