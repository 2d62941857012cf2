"""Writes the reference pages that are made from the code, or checks that they are current.

``python -m tests.reference`` writes, ``python -m tests.reference --check`` fails on a difference.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from luytre.cli.main import app
from luytre.core import metrics
from luytre.core.config import Config
from playbooks.actions import ACTIONS

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "Made from the code by `make docs`; `make check` fails when it is out of date.\n"


def configuration() -> str:
    """Return the page of every setting."""
    lines = [
        "# Configuration",
        "",
        NOTE,
        (
            "One YAML file, `luytre.yaml` in the working folder or `--config FILE`. Every setting has a default; unknown ones are refused. "
            "`${NAME}` is replaced from the environment. Relative paths are relative to the file's folder."
        ),
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
        *(f"| `{name}` | {default} | {text} |" for name, default, text in settings(Config)),
    ]
    return "\n".join(lines) + "\n"


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, default and sentence of every setting below a model."""
    for name, field in model.model_fields.items():
        inner, many = _section(field.annotation)
        text = (field.description or "").replace("|", "\\|")
        if inner is None:
            yield f"{prefix}{name}", _default(field), text
        else:
            yield f"{prefix}{name}", "none" if many else "", text
            yield from settings(inner, f"{prefix}{name}{'[]' if many else ''}.")


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inside in getattr(annotation, "__args__", ()):
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            return inside, True
    return None, False


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        if field.default_factory is dict:
            return "none"
        return "the host's name" if field.default_factory else "required"
    return f"`{field.default}`" if field.default not in ((), None, "") else "none"


def commands() -> str:
    """Return the page of every command and option."""
    group = typer.main.get_command(app)
    lines = ["# Commands", "", NOTE]
    for path, command in sorted(walk(group, ("luytre",))):
        lines += [f"## `{' '.join(path)}`", "", (command.help or "").strip(), ""]
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            lines += ["| option | meaning |", "|---|---|", *rows, ""]
    lines += [
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | a check found something wrong |",
        "| 2 | the configuration or the command's words cannot be used |",
        "| 3 | a disk, broker or node failed for longer than we wait |",
        "| 4 | what was asked for does not exist or may not be done |",
        "| 5 | done, but some input was rejected or a rule refused |",
    ]
    return "\n".join(lines).rstrip() + "\n"


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command below ``command`` that people call."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, child in inner.items():
        if not child.hidden:
            yield from walk(child, (*path, name))


def _parameter(parameter: click.Parameter) -> str:
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return ""
    text = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    named = getattr(parameter, "param_type_name", "option") == "option"
    names = (
        ", ".join([*parameter.opts, *parameter.secondary_opts])
        if named
        else str(parameter.name).upper()
    )
    return f"| `{names}` | {text} |"


def metric_page() -> str:
    """Return the page of every metric."""
    lines = ["# Metrics", "", NOTE, "| metric | labels | meaning |", "|---|---|---|"]
    for metric in metrics.ALL:
        described = next(iter(metric.describe()))
        labels = ", ".join(f"`{name}`" for name in metric._labelnames)
        lines.append(f"| `{described.name}` | {labels} | {described.documentation} |")
    return "\n".join(lines) + "\n"


def action_page() -> str:
    """Return the page of every action of playbooks."""
    effects = {"reads": "reads", "tells": "tells somebody", "changes": "changes something"}
    lines = [
        "# Actions of playbooks",
        "",
        NOTE,
        "A step's command of type `luytre` names one. Its arguments are checked when the playbook is loaded, and again when it is done.",
        "",
        "| action | does | people who must agree | may be done twice | taken back by | arguments |",
        "|---|---|---|---|---|---|",
    ]
    for name, action in ACTIONS.items():
        wanted = [
            f"`{key}`" if field.is_required() else f"`{key}` (`{field.default}`)"
            for key, field in action.arguments.model_fields.items()
        ]
        lines.append(
            f"| `{name}` | {effects[action.effect]}: {(action.__doc__ or '').splitlines()[0]} | {action.approvals or 'none'} | "
            f"{'yes' if action.repeats else 'no'} | {f'`{action.undo}`' if action.undo else ''} | {', '.join(wanted)} |"
        )
    return "\n".join(lines) + "\n"


PAGES = {
    "actions.md": action_page,
    "configuration.md": configuration,
    "commands.md": commands,
    "metrics.md": metric_page,
}


def main() -> int:
    """Write or check all pages."""
    check = "--check" in sys.argv
    stale = []
    for name, page in PAGES.items():
        path = FOLDER / name
        text = page()
        if check and (not path.exists() or path.read_text() != text):
            stale.append(str(path))
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path_name in stale:
        sys.stderr.write(f"{path_name} is out of date: run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
