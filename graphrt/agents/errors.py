"""What can go wrong between a flow and a model or a tool, grouped by whether trying again can help.

    graphrt.errors.RunError
    ├── ModelError                     anything about a model; ``retryable`` says if the same request may succeed later
    │   ├── NoModel                    nothing says which model to use
    │   ├── LocalModelFault            the embedded model could not be loaded or run
    │   ├── EndpointError              an endpoint answered badly or not at all; names its host and the model
    │   │   ├── ModelUnavailable       no connection, or a server error              (retryable)
    │   │   ├── RateLimited            too many requests; ``retry_after_s``          (retryable)
    │   │   │   └── QuotaExhausted     the account has no money or quota left
    │   │   ├── ModelTimeout           no answer, or no further piece of it, in time (retryable)
    │   │   ├── TruncatedStream        the answer broke off; ``partial`` keeps it    (retryable)
    │   │   ├── AuthenticationFailed   wrong or missing key, or no right to use the model
    │   │   ├── RequestRejected        the endpoint calls the request wrong
    │   │   │   └── ContextTooLong     the request does not fit into the model's window
    │   │   └── MalformedResponse      the answer is not Chat Completions at all
    │   ├── ModelBehavior              a well-formed answer that breaks its contract (retryable)
    │   ├── CallRefused                a model goes on asking for calls that cannot be carried out
    │   ├── UsageLimit                 a budget of tokens or money is used up
    │   ├── OutputTruncated            the token limit cut an answer that must be whole
    │   └── Refused                    the model or a filter declined to answer
    ├── ToolError                      a call of a tool gave no result; fit for the model, but for two messages
    │   ├── ArgumentsRefused           the arguments do not fit
    │   ├── ToolTimeout                it took too long
    │   ├── CallCancelled              it was cancelled by what it called itself
    │   ├── ToolFailed                 it raised, and is to be tried again
    │   ├── ToolReported               its server says what went wrong
    │   ├── ToolServerFailed           its server cannot be reached, or went away
    │   └── ToolResultRefused          the result is neither text nor JSON
    ├── TurnLimit                      an agent wanted to call tools more often than it may
    └── GuardrailTripped               a guardrail blocked what goes into an agent, or what comes out of it
        └── GuardrailTimeout           it did not judge in time, so nothing passes
    graphrt.errors.UseError
    ├── ToolDefinitionError            a function cannot serve as a tool
    └── GuardrailDefinitionError       a function cannot serve as a guardrail

No message repeats a key or a whole response body: bodies are quoted up to ``EXCERPT`` characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from graphrt.errors import RunError, UseError

if TYPE_CHECKING:
    from graphrt.agents.messages import Usage

E = TypeVar("E", bound="ModelError")

EXCERPT = 200
"""Characters of foreign text that an error message quotes at most."""


class ModelError(RunError):
    """A model could not do what it was asked."""

    code = "model"
    retryable: ClassVar[bool] = False
    """True when the same request may well succeed on another attempt."""
    usage: Usage | None = None
    """What was spent on an answer that is of no use; None where none came, or nobody knows."""


class NoModel(ModelError):
    """Neither the agent, nor the environment, nor an installed package says which model to use."""

    code = "no-model"


class LocalModelFault(ModelError):
    """The embedded model could not be assembled, loaded or run."""

    code = "local-model-fault"


class EndpointError(ModelError):
    """Something went wrong with an endpoint."""

    code = "endpoint"

    def __init__(
        self,
        found: str,
        *,
        endpoint: str,
        model: str,
        expected: str = "",
        advice: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        partial: str = "",
    ) -> None:
        """Compose one message out of the facts and keep each fact as a field.

        ``status`` is the HTTP status when there was one, ``retry_after_s`` what the endpoint asked to wait, and
        ``partial`` the text that had arrived.
        """
        message = f"{found} (endpoint {endpoint}, model {model})"
        message += f"; expected {expected}" if expected else ""
        message += f"; {advice}" if advice else ""
        super().__init__(message, endpoint=endpoint, model=model, status=status)
        self.endpoint = endpoint
        self.model = model
        self.status = status
        self.retry_after_s = retry_after_s
        self.partial = partial
        if retry_after_s is not None:
            self.facts["retry_after_s"] = retry_after_s
        if partial:
            self.facts["partial"] = partial


class ModelUnavailable(EndpointError):
    """No connection to the endpoint, or it reported a fault of its own."""

    code = "model-unavailable"
    retryable = True


class RateLimited(EndpointError):
    """The endpoint asks to slow down; ``retry_after_s`` is its wish, or ``None``."""

    code = "rate-limited"
    retryable = True


class QuotaExhausted(RateLimited):
    """The account behind the key has nothing left; waiting does not help."""

    code = "quota-exhausted"
    retryable = False


class ModelTimeout(EndpointError, TimeoutError):
    """The endpoint sent nothing for too long; ``partial`` is what had come before."""

    code = "model-timeout"
    retryable = True


class TruncatedStream(EndpointError):
    """The answer ended before the endpoint said that it was finished; ``partial`` is what had come."""

    code = "truncated-stream"
    retryable = True


class AuthenticationFailed(EndpointError):
    """The key is missing or wrong, or has no right to use this model."""

    code = "authentication-failed"


class RequestRejected(EndpointError):
    """The endpoint refuses the request as it is; the same request will be refused again."""

    code = "request-rejected"


class ContextTooLong(RequestRejected):
    """The request has more tokens than the model reads."""

    code = "context-too-long"


class MalformedResponse(EndpointError):
    """The endpoint answered with success, but not with a chat completion: most often a wrong base URL."""

    code = "malformed-response"


class ModelBehavior(ModelError):
    """The model's answer breaks what was agreed: an unknown label, or text where JSON was asked for."""

    code = "model-behavior"
    retryable = True
    fixed: bool = False
    """Whether the model answers the same request the same way each time, so that another attempt is of no use."""


class UsageLimit(ModelError):
    """A budget that a policy holds is used up; the request was not made."""

    code = "usage-limit"


class OutputTruncated(ModelError):
    """The token limit cut an answer that is useless in part (JSON, tool arguments); raise ``max_tokens``."""

    code = "output-truncated"


class OutputRefused(ModelError):
    """What a model answered does not fit the field that the agent writes, after all repairs or however often asked."""

    code = "output-refused"


class CallRefused(ModelError):
    """A model goes on asking for calls that cannot be carried out: an unknown tool, or arguments that do not fit."""

    code = "call-refused"


class Refused(ModelError):
    """The model declined, or a content filter stopped it; the same request will be declined again."""

    code = "refused"


class ToolError(RunError):
    """A call of a tool did not give a result; what is said is fit for the model to read."""

    code = "tool"


class ArgumentsRefused(ToolError):
    """What the model sent does not fit the tool's parameters; the message names each and why."""

    code = "arguments-refused"


class ToolTimeout(ToolError, TimeoutError):
    """A tool took longer than it may."""

    code = "tool-timeout"


class CallCancelled(ToolError):
    """A tool was cancelled by what it called itself; nobody has cancelled the call."""

    code = "call-cancelled"


class ToolFailed(ToolError):
    """A tool raised or took too long, and its `retry` says that another attempt is worth it."""

    code = "tool-failed"

    def __init__(self, message: str, *, tool: str, retry_after_s: float) -> None:
        """Keep how long to wait before the next attempt, in seconds."""
        super().__init__(message, tool=tool)
        self.retry_after_s = retry_after_s


class ToolReported(ToolError):
    """A tool of a server says itself what went wrong; that is meant for the model."""

    code = "tool-reported"


class ToolServerFailed(ToolError):
    """The server of a tool cannot be reached, went away, or has no such tool."""

    code = "tool-server-failed"


class ToolResultRefused(ToolError):
    """A tool returned something that is neither text nor JSON."""

    code = "tool-result-refused"


class TurnLimit(RunError):
    """An agent wanted to call tools more often than it may."""

    code = "turn-limit"


class GuardrailTripped(RunError):
    """A guardrail blocked what goes into an agent, or what comes out of it."""

    code = "guardrail-tripped"


class GuardrailTimeout(GuardrailTripped, TimeoutError):
    """A guardrail did not judge in time; what it should have judged does not pass."""

    code = "guardrail-timeout"


class GuardrailDefinitionError(UseError):
    """A function cannot serve as a guardrail: it has no usable name, or does not take one text."""

    code = "guardrail-definition"


class ToolDefinitionError(UseError):
    """A function cannot serve as a tool: its name, signature or options are not usable."""

    code = "tool-definition"


def after(usage: Usage, error: E) -> E:
    """Return an error that says what was spent before it."""
    error.usage = usage
    return error


def unpaid(error: E) -> E:
    """Return a copy of an error for who shares it with another, who is told what was spent."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    made.usage = None
    return made


def excerpt(text: str) -> str:
    """Quote foreign text in one line of at most ``EXCERPT`` characters."""
    line = " ".join(text.split())
    return repr(line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…")
