"""The workflow as a graph: unknown steps, cycles, steps nobody reaches, and bombs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document, Place
    from playbooks.model import Playbook

EXECUTIONS_MAX = 10_000
"""Steps that one way through a playbook may take: nested parallel steps multiply."""

_LINKS = ("on_completion", "on_success", "on_failure", "on_true", "on_false")


def faults(playbook: Playbook, document: Document) -> list[Fault]:
    """Return what makes the workflow unfit to run."""
    found = [*_unknown(playbook, document)]
    if found:
        return found
    order, cycles = _order(playbook)
    found += [
        document.fault(
            ("workflow", step),
            f"step {step} leads back to itself",
            "a loop is a while-condition whose branch ends in an end step",
        )
        for step in cycles
    ]
    if found:
        return found
    if _executions(playbook, order) > EXECUTIONS_MAX:
        problem = f"may run more than {EXECUTIONS_MAX} steps"
        found.append(document.fault(("workflow",), problem, "part it into several playbooks"))
    return found


def unreached(playbook: Playbook) -> list[str]:
    """Return the steps that no way leads to."""
    reached: set[str] = set()
    todo = [playbook.workflow_start, playbook.workflow_exception]
    while todo:
        step = todo.pop()
        if step is None or step in reached or step not in playbook.workflow:
            continue
        reached.add(step)
        todo += _next(playbook, step)
    return [step for step in playbook.workflow if step not in reached]


def _next(playbook: Playbook, step: str) -> tuple[str, ...]:
    model = playbook.workflow[step]
    return (*model.branches(), *model.onward())


def _unknown(playbook: Playbook, document: Document) -> Iterator[Fault]:
    known = playbook.workflow
    if playbook.workflow_start not in known:
        problem = f"no step is named {playbook.workflow_start}"
        yield document.fault(("workflow_start",), problem, "name a step of the workflow")
    for step, model in known.items():
        if step.split("--")[0] != model.type:
            problem = f"step {step} is of type {model.type}"
            yield document.fault(("workflow", step, "type"), problem, "let id and type agree")
        links: list[tuple[Place, str | None]] = [
            (("workflow", step, name), getattr(model, name, None)) for name in _LINKS
        ]
        links += [
            (("workflow", step, "next_steps", index), target)
            for index, target in enumerate(getattr(model, "next_steps", ()))
        ]
        links += [
            (("workflow", step, "cases", case), target)
            for case, target in getattr(model, "cases", {}).items()
        ]
        for place, target in links:
            if target and target not in known:
                yield document.fault(place, f"no step is named {target}", "name a step")


def _order(playbook: Playbook) -> tuple[list[str], list[str]]:
    """Return the steps, each after all that it leads to, and those that lead back to themselves."""
    order: list[str] = []
    state: dict[str, int] = {}
    cycles: list[str] = []
    for root in playbook.workflow:
        stack = [(root, iter(_next(playbook, root)))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            step, ways = stack[-1]
            way = next(ways, None)
            if way is None:
                state[step] = 2
                order.append(step)
                stack.pop()
            elif state.get(way) == 1:
                cycles.append(way)
            elif way not in state:
                state[way] = 1
                stack.append((way, iter(_next(playbook, way))))
    return order, cycles


def _executions(playbook: Playbook, order: list[str]) -> int:
    """Return how many steps run at the most, each loop counted once."""
    cost: dict[str, int] = {}
    for step in order:
        model = playbook.workflow[step]
        branches = [cost[way] for way in model.branches()]
        inner = sum(branches) if model.type == "parallel" else max(branches, default=0)
        cost[step] = 1 + inner + max((cost[way] for way in model.onward()), default=0)
    return cost.get(playbook.workflow_start, 0)
