"""Durable, typed, graph-based LLM workflows: the author's vocabulary.

Everything here is loaded when it is first asked for, so importing one module of the kernel loads no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrt.agents.agent import Agent
    from graphrt.agents.tools import tool
    from graphrt.chat import ChatRuntime
    from graphrt.configurations import (
        ChatState,
        concurrent,
        handoff,
        member,
        refine,
        sequential,
        single,
        supervisor,
        switching,
    )
    from graphrt.context import Context
    from graphrt.drafts import Node
    from graphrt.errors import (
        AlreadyAnswered,
        AnswerRefused,
        DeadlinePassed,
        DefinitionError,
        EndedInFailure,
        GraphChanged,
        GraphrtError,
        InDoubt,
        InputRefused,
        JoinShort,
        LimitReached,
        NodeTimeout,
        RunFailed,
        RunLocked,
        RunNotFound,
        StoreFault,
        TraceInvalid,
        UseError,
        WrongInput,
    )
    from graphrt.expressions import contains, is_none, let, matches, not_, one_of, size
    from graphrt.flow import Flow
    from graphrt.graph import Graph, Retry
    from graphrt.inputs import Limits
    from graphrt.reducers import add, append, extend, merge, union

_HOME = {
    "Agent": "agents.agent",
    "tool": "agents.tools",
    "ChatRuntime": "chat",
    "ChatState": "configurations",
    "concurrent": "configurations",
    "handoff": "configurations",
    "member": "configurations",
    "refine": "configurations",
    "sequential": "configurations",
    "single": "configurations",
    "supervisor": "configurations",
    "switching": "configurations",
    "Context": "context",
    "DefinitionError": "errors",
    "UseError": "errors",
    "RunFailed": "errors",
    "NodeTimeout": "errors",
    "LimitReached": "errors",
    "JoinShort": "errors",
    "GraphrtError": "errors",
    "DeadlinePassed": "errors",
    "EndedInFailure": "errors",
    "AlreadyAnswered": "errors",
    "AnswerRefused": "errors",
    "GraphChanged": "errors",
    "InDoubt": "errors",
    "InputRefused": "errors",
    "RunLocked": "errors",
    "RunNotFound": "errors",
    "StoreFault": "errors",
    "TraceInvalid": "errors",
    "WrongInput": "errors",
    "Flow": "flow",
    "Graph": "graph",
    "Limits": "inputs",
    "Node": "drafts",
    "Retry": "graph",
    "add": "reducers",
    "append": "reducers",
    "contains": "expressions",
    "extend": "reducers",
    "is_none": "expressions",
    "let": "expressions",
    "matches": "expressions",
    "merge": "reducers",
    "not_": "expressions",
    "one_of": "expressions",
    "size": "expressions",
    "union": "reducers",
}
"""The module in which each name is defined."""

__all__ = [
    "Agent",
    "AlreadyAnswered",
    "AnswerRefused",
    "ChatRuntime",
    "ChatState",
    "Context",
    "DeadlinePassed",
    "DefinitionError",
    "EndedInFailure",
    "Flow",
    "Graph",
    "GraphChanged",
    "GraphrtError",
    "InDoubt",
    "InputRefused",
    "JoinShort",
    "LimitReached",
    "Limits",
    "Node",
    "NodeTimeout",
    "Retry",
    "RunFailed",
    "RunLocked",
    "RunNotFound",
    "StoreFault",
    "TraceInvalid",
    "UseError",
    "WrongInput",
    "add",
    "append",
    "concurrent",
    "contains",
    "extend",
    "handoff",
    "is_none",
    "let",
    "matches",
    "member",
    "merge",
    "not_",
    "one_of",
    "refine",
    "sequential",
    "single",
    "size",
    "supervisor",
    "switching",
    "tool",
    "union",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'graphrt' has no attribute {name!r}", name=name)
    found = globals()[name] = getattr(import_module(f"graphrt.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
