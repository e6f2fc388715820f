"""What can be wrong with a turn of a conversation, beside what can be wrong with a run."""

from __future__ import annotations

from graphrt.errors import RunFailed, UseError


class ConversationBusy(UseError):
    """Another turn of the conversation is under way, and the runtime was told to refuse a second one."""

    code = "conversation-busy"


class TurnOpen(UseError):
    """The last turn of the conversation was cut off, or waits for an answer."""

    code = "turn-open"


class TurnStopped(RunFailed):
    """The turn was cancelled; nothing of it is part of the conversation."""

    code = "turn-stopped"
