"""What Elasticsearch is told about our indices: settings and mappings, as templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.core.ecs import ARCHIVED

if TYPE_CHECKING:
    from luytre.core.config_alerts import ElasticConfig

VERSION = 1
"""Of the templates: greater ones are of a newer Luytre, which may have changed what fields mean."""

PREFIX_CHARS_MAX = 5
POSITION_GAP = 100

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_EXACT = {"type": "keyword"}
_NUMBER = {"type": "long", "ignore_malformed": True}
_WORDS = {
    "type": "text",
    # Words arrive split and folded by us: SQLite's index and this one must find the same.
    "analyzer": "whitespace",
    "position_increment_gap": POSITION_GAP,
    # A prefix within a phrase is one lookup up to so many letters; longer ones have few words.
    "index_prefixes": {"min_chars": 1, "max_chars": PREFIX_CHARS_MAX},
    "norms": False,
}
_TIME = {"type": "date", "ignore_malformed": True}
_ECS_TYPES = {"ip": {"type": "ip", "ignore_malformed": True}, "port": _NUMBER, "pid": _NUMBER}
_ENVELOPE: dict[str, Any] = {
    "@timestamp": _TIME,
    "ecs.version": _EXACT,
    "event.id": _KEYWORD,
    "event.ingested": _TIME,
    "event.kind": _EXACT,
    "event.severity": {"type": "byte"},
    "organization.id": _EXACT,
    "rule.id": _EXACT,
    "rule.name": _EXACT,
    "rule.version": _EXACT,
    "tags": _KEYWORD,
}
_OWN: dict[str, Any] = {
    "luytre.kind": _EXACT,
    "luytre.id": _EXACT,
    "luytre.shown": {"type": "boolean"},
    "luytre.level": _EXACT,
    "luytre.time_us": {"type": "long"},
    "luytre.detected_us": {"type": "long"},
    "luytre.episode": _EXACT,
    "luytre.revision": {"type": "long"},
    "luytre.withdrawn": {"type": "boolean"},
    "luytre.terms": _EXACT,
    "luytre.words": _WORDS,
    "luytre.title_words": _WORDS,
    "luytre.event": {"type": "flattened", "ignore_above": 1024},
    "luytre.document": {"type": "binary"},
}
EVENT_FIELDS: dict[str, Any] = {
    **{name: _ECS_TYPES.get(name.rpartition(".")[2], _KEYWORD) for name in ARCHIVED},
    "message": {"type": "text", "norms": False},
}
del EVENT_FIELDS["rule.name"]  # of an alert that is our rule
"""The event's fields that have a place of their own; ``luytre.event`` has all."""


def mappings() -> dict[str, Any]:
    """Return the mappings: closed, so that no log can add a field."""
    return {
        "dynamic": False,
        "date_detection": False,
        # Folded copies of what stands in the document, for search only.
        "_source": {"excludes": ["luytre.words", "luytre.title_words", "luytre.terms"]},
        "properties": {**EVENT_FIELDS, **_ENVELOPE, **_OWN},
    }


def settings(config: ElasticConfig) -> dict[str, Any]:
    """Return the settings of a new index."""
    return {
        "number_of_shards": config.shards,
        "auto_expand_replicas": f"0-{config.replicas_max}" if config.replicas_max else "false",
        "number_of_replicas": 0,
    }


def component_name(name: str) -> str:
    """Return the name of the component template with our mappings and settings."""
    return f"{name}@mappings"


def component(config: ElasticConfig) -> dict[str, Any]:
    """Return the component template."""
    return {
        "template": {"settings": settings(config), "mappings": mappings()},
        "version": VERSION,
        "_meta": {"made_by": "luytre elastic setup"},
    }


def index_template(name: str) -> dict[str, Any]:
    """Return the index template: ours, and then what the site adds in ``<name>@custom``."""
    custom = f"{name}@custom"
    return {
        "index_patterns": [f"{name}-*"],
        "priority": 500,
        "composed_of": [component_name(name), custom],
        "ignore_missing_component_templates": [custom],
        "version": VERSION,
    }
