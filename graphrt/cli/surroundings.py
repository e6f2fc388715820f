"""What a run started from the command line finds around it: the model that agents ask, resources, policies.

A module may say them beside its flow: `graphrt_resources` and `graphrt_policies`, each a list or a function without
parameters that returns one. All is found before a run begins, so that what is missing costs nothing. The model is
`--model`, else one among those resources, else what the agent says, else the environment's, else the local one; where
nobody has named it, it is told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.errors import GraphrtError, UseError

if TYPE_CHECKING:
    from graphrt.agents.model import Model
    from graphrt.cli.target import Loaded
    from graphrt.graph import Graph
    from graphrt.trace import Trace

RESOURCES: Final = "graphrt_resources"
POLICIES: Final = "graphrt_policies"


@dataclass(frozen=True, slots=True)
class Around:
    """What a run finds around it."""

    resources: tuple[object, ...] = ()
    policies: tuple[Any, ...] = ()
    models: tuple[str, ...] = ()
    """Names of the models that nobody has named."""

    def tell(self, trace: Trace | None = None) -> None:
        """Say on standard error which models will be asked that nobody has named, and which the run asked so far."""
        from graphrt.cli.screen import note

        if not self.models:
            return
        before = sorted(set(_asked(trace)) - set(self.models)) if trace is not None else []
        so_far = f"; so far the run asked {', '.join(before)}" if before else ""
        note(f"asks the model {', '.join(self.models)}, for nothing names another (--model){so_far}")

    @property
    def holds(self) -> bool:
        """Whether it has a model to release."""
        return bool(_models(self.resources))

    async def aclose(self) -> None:
        """Release what the models hold."""
        for model in _models(self.resources):
            await model.aclose()


def find_around(loaded: Loaded, graph: Graph, spec: str | None) -> Around:
    """Return what a run of a flow that was loaded finds around it; `spec` names the model that all agents are to use.

    Raises:
        UseError: an agent has no model, or what stands beside the flow is of no use; says how to mend it.
    """
    from graphrt.runtime.options import mistaken

    said = {"resources": _beside(loaded, RESOURCES), "policies": _beside(loaded, POLICIES)}
    for wrong in mistaken(said):
        raise UseError(f"{loaded.target}: graphrt_{wrong}")
    resources, policies = said["resources"], said["policies"]
    if spec is not None:
        others = [each for each in resources if each not in _models(resources)]
        return Around((_named(spec), *others), policies)
    if any(_models(resources)):
        return Around(resources, policies)
    return Around(resources, policies, tuple(dict.fromkeys(_unnamed(graph, policies))))


def _beside(loaded: Loaded, name: str) -> tuple[Any, ...]:
    """Return what the module of a flow says under a name: a list, or what a function returns."""
    found: Any = getattr(loaded.module, name, ())
    if callable(found):
        from graphrt.cli.target import made_by

        found = made_by(loaded.target, name, found)
    if not isinstance(found, Iterable) or isinstance(found, (str, bytes)):
        kind = type(found).__name__
        raise UseError(f"{loaded.target}: {name} gives a {kind}; expected a list, or a function that returns one")
    return tuple(cast("Iterable[Any]", found))


def _models(resources: Iterable[object]) -> list[Model]:
    if "graphrt.agents.model" not in sys.modules:
        return []  # nobody has made one
    from graphrt.agents.model import Model

    return [each for each in resources if isinstance(each, Model)]


def _named(spec: str) -> Model:
    from graphrt.agents.errors import NoModel
    from graphrt.agents.model import resolve_model

    try:
        return resolve_model(spec)
    except NoModel as error:
        raise UseError(f"--model {spec}: {error.message}") from error


def _unnamed(graph: Graph, policies: tuple[Any, ...]) -> Iterator[str]:
    """Yield the model of each agent that names none; see that all have one."""
    if "graphrt.agents.agent" not in sys.modules:
        return  # nobody has made an agent
    from graphrt.agents.agent import agents_in, policies_in
    from graphrt.agents.errors import NoModel
    from graphrt.agents.model import resolve_model

    for agent in agents_in(graph):
        try:
            model = resolve_model(agent.model)
        except NoModel as error:
            if any(getattr(p, "supplies", False) for p in (*policies, *agent.policies, *policies_in(graph))):
                continue  # somebody else answers where no model is found
            message = f"flow {graph.name!r} needs a model: {error.message}"
            raise UseError(f"{message}; or give one beside the flow: {RESOURCES} = [model]") from error
        if agent.model is None:
            yield model.name


def _asked(trace: Trace) -> Iterator[str]:
    """Yield the models that a run has asked."""
    from graphrt.account import account

    try:
        told = account(trace)
    except GraphrtError:
        return  # who goes on with it tells what is wrong
    for visit in told.visits.values():
        if visit.usage is not None and visit.usage.model is not None:
            yield from visit.usage.model.split(", ")
