"""The chat runtime: conversations with agents, turn by turn, durable and observable. See `ChatRuntime`."""

from graphrt.chat.errors import ConversationBusy, TurnOpen, TurnStopped
from graphrt.chat.runtime import ChatRuntime
from graphrt.chat.stream import ChatStream

__all__ = ["ChatRuntime", "ChatStream", "ConversationBusy", "TurnOpen", "TurnStopped"]
