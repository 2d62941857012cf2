"""What a deployment adds to all rules: values of placeholders, and pySigma's pipelines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from sigma.processing.pipeline import ProcessingPipeline
from sigma.processing.transformations import AddConditionTransformation

from detections.modifiers import PLACEHOLDERS
from luytre.core.cells import scalar
from luytre.core.errors import ConfigurationError, Fault
from luytre.core.yamlfile import BYTES_MAX, DEPTH_MAX, LOADER, NODES_MAX, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sigma.rule import SigmaRule

_RANDOM_NAME = re.compile(r"_cond_[a-z]{10}")


class MappingError(Exception):
    """A pipeline refuses a rule, or fails on it; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """What is added to every rule while it is loaded; ``digest`` says which."""

    placeholders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pipeline: ProcessingPipeline | None = None
    digest: str = ""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Give ``expand`` the values of placeholders."""
        token = PLACEHOLDERS.set(self.placeholders)
        try:
            yield
        finally:
            PLACEHOLDERS.reset(token)

    def apply(self, rule: SigmaRule) -> bool:
        """Change a rule as the pipelines say, and tell whether they did.

        Raises ``MappingError``.
        """
        if self.pipeline is None:
            return False
        try:
            self.pipeline.apply(rule)
        except Exception as error:
            # Plugins are code of others, and pySigma fails in many ways.
            raise MappingError(str(error).rstrip(".") or type(error).__name__) from error
        return any(self.pipeline.applied)


NOTHING = Adaptation()


def read_adaptation(
    placeholders: Mapping[str, Sequence[str | int | float]],
    mappings: Iterable[Path | str],
    *,
    file: Path | None = None,
) -> Adaptation:
    """Return what a deployment adds; ``placeholders`` are values by name, ``file`` has more.

    ``mappings`` are files of pipelines in pySigma's YAML, or names of installed ones; they are
    applied by their priority, as pySigma does.

    Raises:
        ConfigurationError: with every fault of what is named.
    """
    faults: list[Fault] = []
    values = _values(file, faults) if file else {}
    values |= {name: tuple(map(scalar, given)) for name, given in placeholders.items()}
    sources: list[str] = []
    pipelines = [_pipeline(each, sources, faults) for each in mappings]
    if faults:
        raise ConfigurationError(faults)
    found = sorted((each for each in pipelines if each), key=lambda each: each.priority)
    if not found and not values:
        return NOTHING
    said = repr((sorted(values.items()), sources)).encode()
    return Adaptation(values, _joined(found), hashlib.sha256(said).hexdigest())


def _values(file: Path, faults: list[Fault]) -> dict[str, tuple[str, ...]]:
    documents, problems = read_yaml(file)
    faults += problems
    values: dict[str, tuple[str, ...]] = {}
    for document in documents:
        if not isinstance(document.data, dict):
            faults.append(document.fault((), "is no map of placeholders", "write Name: [values]"))
            continue
        for name, listed in document.data.items():
            if not isinstance(listed, list) or not all(map(_is_value, listed)):
                problem = f'the placeholder "{name}" has no list of texts and numbers'
                faults.append(document.fault((str(name),), problem))
            else:
                values[str(name)] = tuple(map(scalar, listed))
    return values


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _pipeline(
    wanted: Path | str, sources: list[str], faults: list[Fault]
) -> ProcessingPipeline | None:
    """Return one pipeline, and add what it was made of to ``sources``."""
    try:
        if isinstance(wanted, Path):
            content = wanted.read_bytes()
            problem = _bomb(content)
            if problem:
                faults.append(Fault(wanted, 1, f"is no processing pipeline: {problem}"))
                return None
            text = content.decode()
            sources.append(text)
            return ProcessingPipeline.from_yaml(text, source_path=str(wanted))
        return _installed(wanted, sources, faults)
    except OSError as error:
        faults.append(Fault(Path(wanted), 1, f"cannot be read: {error.strerror}"))
    except Exception as error:  # noqa: BLE001 - pySigma reads with no care for what is malformed
        faults.append(Fault(Path(wanted), 1, f"is no processing pipeline: {error}"))
    return None


def _bomb(content: bytes) -> str:
    """Say why a pipeline would take too long to read: pySigma follows aliases without end."""
    if len(content) > BYTES_MAX:
        return f"it is larger than {BYTES_MAX} bytes"
    depth = 0
    for event in yaml.parse(content, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            return f"it is deeper than {DEPTH_MAX}"
    root = yaml.compose(content, Loader=LOADER)
    return _unfolds(root, {}) if root is not None else ""


def _unfolds(node: yaml.Node, sizes: dict[int, int]) -> str:
    """Say so if a node holds itself or too much; ``sizes`` are those of nodes by id, 0 if open."""
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    sizes[id(node)], size = 0, 1
    for each in inner:
        for child in each if isinstance(each, tuple) else (each,):
            if id(child) not in sizes and (problem := _unfolds(child, sizes)):
                return problem
            if not sizes[id(child)]:
                return "it holds itself"
            size += sizes[id(child)]
    sizes[id(node)] = size
    return f"it unfolds to more than {NODES_MAX} nodes" if size > NODES_MAX else ""


def _installed(name: str, sources: list[str], faults: list[Fault]) -> ProcessingPipeline | None:
    # To import it takes 130 ms, and few deployments have need of it.
    installed = import_module("sigma.plugins").InstalledSigmaPlugins
    plugins = installed.autodiscover(include_backends=False, include_validators=False)
    known = sorted(plugins.pipelines)
    if name not in known:
        remedy = f"installed are: {', '.join(known)}" if known else "install one: sigma plugin list"
        problem = f'no processing pipeline is called "{name}"'
        faults.append(Fault(Path("rules.mappings"), 1, problem, remedy))
        return None
    sources += [
        name,
        *sorted(f"{d.name} {d.version}" for d in distributions() if "sigma" in d.name),
    ]
    pipeline: ProcessingPipeline = plugins.get_pipeline_resolver().resolve_pipeline(name)
    return pipeline


def _joined(pipelines: list[ProcessingPipeline]) -> ProcessingPipeline | None:
    if not pipelines:
        return None
    items = [item for pipeline in pipelines for item in pipeline.items]
    for pipeline in pipelines:
        pipeline._clear_pipeline()  # noqa: SLF001 - an item belongs to one pipeline at a time
    _name(items, "_cond")
    variables = {k: v for pipeline in pipelines for k, v in pipeline.vars.items()}
    return ProcessingPipeline(items=items, vars=variables)


def _name(items: Iterable[Any], prefix: str) -> None:
    """Give added conditions stable names: pySigma's are random, and would change every digest."""
    for number, item in enumerate(items):
        inner = getattr(item.transformation, "_nested_pipeline", None)
        if inner is not None:
            _name(inner.items, f"{prefix}_{number}")
        added = item.transformation
        if isinstance(added, AddConditionTransformation) and _RANDOM_NAME.fullmatch(added.name):
            added.name = f"{prefix}_{number}"
