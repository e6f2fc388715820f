"""Ready-made ways to let agents work on a conversation: functions that return ordinary flows over a chat state.

A configuration is checked, drawn, run, traced, replayed and resumed as any flow, and can be a member of another one.
Each module is one configuration; none of them runs anything.
"""

from graphrt.configurations.concurrent import concurrent
from graphrt.configurations.handoff import Handover, handoff
from graphrt.configurations.members import Member, Speaker, member
from graphrt.configurations.refine import Verdict, refine
from graphrt.configurations.sequential import sequential
from graphrt.configurations.single import single
from graphrt.configurations.state import ChatState
from graphrt.configurations.supervisor import Order, supervisor
from graphrt.configurations.switching import Router, switching

__all__ = [
    "ChatState",
    "Handover",
    "Member",
    "Order",
    "Router",
    "Speaker",
    "Verdict",
    "concurrent",
    "handoff",
    "member",
    "refine",
    "sequential",
    "single",
    "supervisor",
    "switching",
]
