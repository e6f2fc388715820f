"""Which model the agents of a flow ask: found before a run begins, so that a missing one costs nothing.

The choice is `--model`, else what the agent says, else the environment, else the local model.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from graphrt.errors import UseError

if TYPE_CHECKING:
    from graphrt.agents.model import Model
    from graphrt.graph import Graph


def find_model(graph: Graph, spec: str | None) -> Model | None:
    """Return the model that all agents are to use, if `spec` names one; else see that each finds its own.

    Raises:
        UseError: an agent of `graph` has no model; says how to give it one.
    """
    if spec is None and "graphrt.agents.agent" not in sys.modules:
        return None  # nobody has made an agent
    from graphrt.agents.agent import agents_in
    from graphrt.agents.errors import NoModel
    from graphrt.agents.model import resolve_model

    try:
        if spec is not None:
            return resolve_model(spec)
        for agent in agents_in(graph):
            resolve_model(agent.model)
    except NoModel as error:
        what = f"flow {graph.name!r} needs a model" if spec is None else f"--model {spec}"
        raise UseError(f"{what}: {error.message}") from error
    return None
