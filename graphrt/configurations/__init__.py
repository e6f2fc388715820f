"""Ready-made ways to let agents work on a conversation: functions that return ordinary flows over a chat state.

A configuration is checked, drawn, run, traced, replayed and resumed as any flow, and can be a member of another one.
Each module is one configuration; none of them runs anything.
"""

from graphrt.configurations.handover import Handover, handoff
from graphrt.configurations.lone import single
from graphrt.configurations.members import Member, Speaker, member
from graphrt.configurations.parallel import concurrent
from graphrt.configurations.refining import Verdict, refine
from graphrt.configurations.sequence import sequential
from graphrt.configurations.state import ChatState
from graphrt.configurations.supervising import Order, supervisor
from graphrt.configurations.switch import Router, switching

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
