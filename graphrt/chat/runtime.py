"""`ChatRuntime`: talk to a flow, turn by turn.

    runtime = ChatRuntime(sequential(researcher, writer))
    reply = await runtime.invoke("Tell me about rain.")

It is no runner of its own: each turn is a run of the flow in the store, so it is traced, drawn, replayed and resumed as
any other, and another process can go on with the conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from graphrt import runtime
from graphrt.account import account
from graphrt.agents.agent import Agent, agents_in, policies_in
from graphrt.agents.errors import NoModel
from graphrt.agents.messages import FilePart, ImagePart, Message, TextPart, UserMessage, user
from graphrt.agents.model import Model, resolve_model
from graphrt.chat import events
from graphrt.chat.conversation import Conversation, clearing
from graphrt.chat.errors import ConversationBusy, TurnOpen, TurnStopped
from graphrt.chat.handlers import EventHandler, Handler
from graphrt.chat.stream import ChatStream, Sink
from graphrt.chat.telling import Teller
from graphrt.chat.turnstile import turnstile_of
from graphrt.configurations.lone import single
from graphrt.configurations.state import hears
from graphrt.definition import place_text
from graphrt.drafts import place_of_call
from graphrt.errors import DefinitionError, Mistake, RunFailed, RunNotFound, UseError
from graphrt.flow import Flow
from graphrt.ports import new_run_id
from graphrt.runtime.listeners import PATIENCE_S
from graphrt.runtime.options import mistaken
from graphrt.stores.memory import MemoryStore
from graphrt.told import total_usage
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.drafts import Policy
    from graphrt.events import VisitWaiting
    from graphrt.inputs import Limits, Usage
    from graphrt.ports import Clock, Observer, RunInfo, Store
    from graphrt.runtime import Result

KEEP: Final = 200
"""Messages that a turn sees unless it is told otherwise."""
_POLL_S: Final = 0.05
"""How often to look whether another process has ended its turn, in seconds."""


class _Turn:
    """The turn under way."""

    def __init__(self, run: str, task: asyncio.Task[Result[Any]]) -> None:
        self.run = run
        self.task = task
        self.loop = task.get_loop()
        self.stopped = False
        self.stopping: asyncio.Task[None] | None = None


class ChatRuntime:
    """Talks to a configuration, or any flow whose state has `messages`.

    Only completed turns become part of the conversation: after one that failed or was cancelled, it is as it was
    before. A turn that was cut off, or waits for an answer, must be taken up (`resume`, `answer`) or given up
    (`discard`) before the next.

    Args:
        configuration: a flow over a chat state; a lone agent answers by itself.
        store: where the turns are kept; by default in memory.
        conversation: its id: 1 to 48 letters, digits, `_`, `-`. Given again, also in another process, the conversation
            goes on. By default made up.
        resources: what nodes find by `Context.resource`; a model among them comes before those of the agents.
        policies: what wraps every model that is asked, outermost first; see `graphrt.policies`.
        keep: how many messages a turn sees at most, the new one included; None for all. Older ones stay in the store
            and in `messages`. What a turn costs grows with what it sees.
        busy: what becomes of a message that comes while a turn is under way: it waits (`queue`), or is refused
            (`refuse`). Turns never run at the same time, over all runtimes and processes that share the store.
        limits: bounds of each turn.
        observers: who sees the runs of the turns as they are, such as `graphrt.telemetry.OpenTelemetry`.
        clock: tells the time.
        target: where the flow was loaded from, noted in its runs for whoever looks at them or goes on with them.

    Raises:
        DefinitionError: the flow cannot be talked to, or cannot be frozen, or an agent has no model; with everything
            that is wrong.
        UseError: `conversation` cannot be an id.
    """

    def __init__(
        self,
        configuration: Flow[Any] | Agent,
        *,
        store: Store | None = None,
        conversation: str | None = None,
        resources: Iterable[object] = (),
        policies: Iterable[Policy] = (),
        keep: int | None = KEEP,
        busy: Literal["queue", "refuse"] = "queue",
        limits: Limits | None = None,
        observers: Sequence[Observer] = (),
        clock: Clock = runtime.SYSTEM_CLOCK,
        target: str | None = None,
    ) -> None:
        flow = single(configuration) if isinstance(configuration, Agent) else configuration
        around: dict[str, object] = {"resources": resources, "policies": policies, "observers": observers}
        wrong = list(mistaken({**around, "limits": limits, "clock": clock}))
        if store is not None and not hasattr(store, "create"):
            text = brief(store) if isinstance(cast("object", store), (str, Path)) else "…"
            wrong.append(f"store={brief(store)} is no store; a conversation outlives a call: give open_store({text})")
        self._resources = () if wrong else tuple(resources)
        self._policies = () if wrong else tuple(policies)
        self._check(flow, keep, busy, wrong)
        self.flow = flow
        self.store: Store = MemoryStore() if store is None else store
        """Where its turns are kept."""
        self.keep = keep
        self._refuses = busy == "refuse"
        self._limits = limits
        self._observers = tuple(observers)
        self._clock = clock
        self._target = target
        self._graph = flow.freeze()
        self._conversation = Conversation(self.store, conversation or new_run_id(), self._graph)
        self._gate = turnstile_of(self.store, self._conversation.name)
        self._handlers: list[Handler] = []
        self._turn: _Turn | None = None
        self._open: tuple[str, frozenset[str]] = ("", frozenset())
        """The run that was suspended, and who was told to be at work in it."""

    def _check(self, flow: Flow[Any], keep: object, busy: object, wrong: Sequence[str]) -> None:
        place = place_text(place_of_call())
        if not isinstance(cast("object", flow), Flow):
            found = Mistake("configuration", f"ChatRuntime was given {brief(flow)}; expected a Flow or an Agent", place)
            raise DefinitionError("chat", (found,))
        mistakes = list(flow.check())

        def problem(message: str) -> None:
            mistakes.append(Mistake("configuration", message, place))

        if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 1):
            problem(f"keep={keep!r}; it is a number of messages from 1, or None for all")
        for message in (*wrong, *mistaken({"resources": self._resources, "policies": self._policies})):
            problem(message)
        if busy not in {"queue", "refuse"}:
            problem(f"busy={busy!r}; it is 'queue' or 'refuse'")
        if not mistakes:
            graph = flow.freeze()
            if not hears(graph.field.get("messages")):
                problem(
                    f"flow {flow.name!r} cannot be talked to: its state {flow.state_type.__name__} has no field"
                    " messages: Annotated[list[Message], append]; derive it from ChatState"
                )
            for name in getattr(flow.state_type, "remembered", ()):
                if name not in graph.field:
                    problem(f"{flow.state_type.__name__}.remembered names {name!r}, which is no field of it")
            for field in graph.fields:
                if field.required and field.name != "messages":
                    problem(
                        f"a turn begins with messages alone, but field {field.name!r} of {flow.state_type.__name__} has"
                        " no default; give it one"
                    )
            if not any(isinstance(each, Model) for each in self._resources):
                for agent in agents_in(graph):
                    if any(map(supplies, (*self._policies, *agent.policies, *policies_in(graph)))):
                        continue  # somebody else answers where no model is found
                    try:
                        resolve_model(agent.model)
                    except NoModel as missing:
                        problem(f"{agent!r}: {missing}")
        if mistakes:
            raise DefinitionError(flow.name, tuple(mistakes))

    @property
    def conversation(self) -> str:
        """Id of the conversation."""
        return self._conversation.name

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation since it began, or was cleared: what completed turns left, oldest first."""
        return self._conversation.messages()

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs of its turns in the store, oldest first."""
        return tuple(self._conversation.run_id(n) for n in range(1, self._conversation.last() + 1))

    @property
    def usage(self) -> Usage | None:
        """What all its turns used together, also those that came to nothing; None if no model was asked.

        A number that one request did not tell is None.
        """
        return total_usage([account(self.store.trace(run)).totals.usage for run in self.runs])

    def on_event(self, handler: EventHandler) -> EventHandler:
        """Call `handler` with each event of each turn from now on; returns it, so this may stand above a function.

        Handlers cannot affect a turn: what one raises is logged once, one that hangs is left behind.

        Raises:
            UseError: it cannot be called.
        """
        if not callable(handler):
            raise UseError(f"on_event({brief(cast('object', handler))}): expected a function or a coroutine function")
        self._handlers.append(Handler(handler))
        return handler

    async def invoke(self, message: str | Message | Sequence[TextPart | ImagePart | FilePart]) -> Message:
        """Say something, and return the reply.

        Raises:
            RunFailed: the turn failed, or waits for an answer (`questions`); `TurnStopped` if it was cancelled.
            ConversationBusy: another turn is under way, and this runtime refuses to wait.
            TurnOpen: the last turn was cut off, or waits for an answer.
            UseError: it is no message of a user.
        """
        return await self._say(_as_message(message), None)

    def invoke_sync(self, message: str | Message | Sequence[TextPart | ImagePart | FilePart]) -> Message:
        """Do the same as `invoke` in code that is not asynchronous; also in a notebook."""
        return runtime.wait_for(lambda: self.invoke(message))

    def stream(self, message: str | Message | Sequence[TextPart | ImagePart | FilePart]) -> ChatStream:
        """Say something, and iterate over the events of the turn as they come; `await stream.reply()` at the end."""
        said = _as_message(message)
        return ChatStream(lambda sink: self._say(said, sink))

    def cancel(self) -> bool:
        """Stop the turn under way, from anywhere; say if there was one. Whoever awaits it gets `TurnStopped`."""
        turn = self._turn
        if turn is None:
            return False
        turn.stopped = True
        turn.loop.call_soon_threadsafe(self._stop, turn)
        return True

    def _stop(self, turn: _Turn) -> None:
        async def stop() -> None:
            try:
                self.store.info(turn.run)
                await runtime.cancel(self.store, turn.run, by="ChatRuntime.cancel")
            except RunNotFound:
                turn.task.cancel()  # it has not begun, and leaves nothing behind
            except UseError:
                return  # it has ended

        if turn.stopping is None:
            turn.stopping = turn.loop.create_task(stop())

    async def clear(self) -> None:
        """Begin anew: later turns see nothing of what was said so far. The runs stay in the store.

        Raises:
            ConversationBusy: another turn is under way, and this runtime refuses to wait.
            TurnOpen: the last turn was cut off, or waits for an answer.
        """
        async with self._alone():
            turn = await self._next_turn()
            if turn > 1:
                marker = clearing()
                begin = marker.state_type()
                run_id = self._conversation.run_id(turn)
                await runtime.run(marker.freeze(), begin, store=self.store, run_id=run_id, clock=self._clock)

    @property
    def questions(self) -> tuple[VisitWaiting, ...]:
        """What the last turn waits for: the open questions, each with its visit and what it is about."""
        last = self._conversation.last()
        info = self._conversation.info(last) if last else None
        if info is None or info.status != "suspended":
            return ()
        from graphrt.replay import fold  # noqa: PLC0415 - only where questions are asked

        stepper = fold(self.store.trace(self._conversation.run_id(last)))
        return tuple(stepper.questions.values())

    async def answer(self, value: object, *, visit: str | None = None, by: str | None = None) -> Message:
        """Answer a question of the last turn, and go on with it; `visit` says which, if there are several.

        Raises:
            AnswerRefused: the answer does not fit; the question stays open.
            UseError: no question is open, or it is not clear which.
            RunFailed: as for `invoke`.
        """
        return await self._answer(value, visit, by, None)

    def stream_answer(self, value: object, *, visit: str | None = None, by: str | None = None) -> ChatStream:
        """Do the same as `answer`, and iterate over the events of what follows."""
        return ChatStream(lambda sink: self._answer(value, visit, by, sink))

    async def _answer(self, value: object, visit: str | None, by: str | None, sink: Sink | None) -> Message:
        asked = [q.visit for q in self.questions]
        if visit is None and len(asked) != 1:
            message = f"no question is open in conversation {self.conversation!r}, so there is nothing to answer"
            if asked:
                which = ", ".join(repr(one) for one in asked)
                message = (
                    f"{len(asked)} questions are open in conversation {self.conversation!r}; say which one is answered"
                    f" by visit=, one of {which}"
                )
            raise UseError(message, conversation=self.conversation, questions=asked)
        last = self._conversation.run_id(self._conversation.last())
        await runtime.answer(self.store, last, visit or asked[0], value, by=by)
        return await self._go_on(sink)

    async def resume(self) -> Message:
        """Go on with the last turn, which was cut off, answered, cancelled or has failed; return its reply.

        Raises:
            UseError: the last turn is complete, or there is none.
            RunFailed: as for `invoke`.
        """
        return await self._go_on(None)

    def stream_resume(self) -> ChatStream:
        """Do the same as `resume`, and iterate over the events of what follows."""
        return ChatStream(self._go_on)

    async def _go_on(self, sink: Sink | None) -> Message:
        async with self._alone():
            turn = self._conversation.last()
            info = self._conversation.info(turn) if turn else None
            if info is None or info.status == "completed":
                stands = "has no turn yet" if info is None else f"has nothing to go on with: turn {turn} is complete"
                raise UseError(
                    f"conversation {self.conversation!r} {stands}; say something by invoke",
                    conversation=self.conversation,
                )
            return await self._drive(turn, None, sink)

    async def discard(self) -> None:
        """Give up the last turn, which was cut off or waits for an answer; it is recorded as cancelled.

        One that another process is at work on is waited for, and stays.

        Raises:
            ConversationBusy: another turn is under way, and this runtime refuses to wait.
        """
        async with self._alone():
            _, info = await self._last_turn()
            if info is not None and info.status in {"running", "suspended"}:
                await self._give_up(info.run)

    async def _give_up(self, run_id: str) -> None:
        """Cancel a turn that nobody drives, and tell its end to the handlers."""
        async with self._listening(None) as tell:
            teller = self._teller(run_id, tell)
            teller.skip_recorded()
            teller.forget_untold()
            await runtime.cancel(self.store, run_id, by="ChatRuntime.discard")
            teller.finish()
            tell(events.TurnCancelled(run_id))

    # -- one turn -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        if self._refuses:
            if not self._gate.try_enter():
                raise self._busy()
        else:
            await self._gate.enter()
        try:
            yield
        finally:
            self._gate.leave()

    def _busy(self) -> ConversationBusy:
        message = (
            f"a turn of conversation {self.conversation!r} is under way; wait for it, or make it with busy='queue'"
        )
        return ConversationBusy(message, conversation=self.conversation)

    async def _say(self, message: Message, sink: Sink | None) -> Message:
        async with self._alone():
            while True:
                turn = await self._next_turn()
                try:
                    return await self._drive(turn, message, sink)
                except UseError:
                    if self._conversation.last() < turn:
                        raise
                    # Another process has begun this turn at the same moment.
                    if self._refuses:
                        raise self._busy() from None

    async def _next_turn(self) -> int:
        """Return the number of the turn that may begin now."""
        last, info = await self._last_turn()
        if info is not None and info.status in {"running", "suspended"}:
            what = "was cut off" if info.status == "running" else "waits for an answer"
            raise TurnOpen(
                f"turn {last} of conversation {self.conversation!r} (run {info.run}) {what}; go on with it by"
                " resume() or answer(…), or give it up by discard()",
                conversation=self.conversation,
                run=info.run,
                status=info.status,
            )
        return last + 1

    async def _last_turn(self) -> tuple[int, RunInfo | None]:
        """Return the last turn, once no other process is at work on it; None if there is none.

        Raises:
            ConversationBusy: one is, and this runtime refuses to wait.
        """
        while True:
            last = self._conversation.last()
            info = self._conversation.info(last) if last else None
            if info is None or not info.live:
                return last, info
            if self._refuses:
                raise self._busy()
            await self._clock.sleep(_POLL_S)

    async def _drive(self, number: int, message: Message | None, sink: Sink | None) -> Message:
        """Run a turn to its end, or take it up again if there is no message."""
        run_id = self._conversation.run_id(number)
        async with self._listening(sink) as tell:
            first = None if message is None else events.TurnStarted(run_id, message)
            teller = self._teller(run_id, tell, first)
            turn = self._turn = _Turn(run_id, asyncio.ensure_future(self._run(number, message, teller)))
            try:
                result = await turn.task
            except asyncio.CancelledError:
                teller.finish()
                tell(events.TurnCancelled(run_id))
                if turn.stopped and not _is_cancelled():
                    raise self._stopped(run_id) from None
                raise
            except Exception as error:  # of what drives it: a store that cannot write, say
                teller.close("failure")
                if teller.has_begun:
                    tell(events.TurnFailed(run_id, type(error).__name__, str(error)))
                raise
            finally:
                self._turn = None
                if turn.stopping is not None:
                    await turn.stopping
            return self._concluded(number, result, teller, tell)

    @asynccontextmanager
    async def _listening(self, sink: Sink | None) -> AsyncGenerator[Sink]:
        """Yield what tells an event to all handlers; at the end they get a little time for what they have not seen."""
        subscribers = [s for s in [handler.begin() for handler in self._handlers] if s is not None]

        def tell(event: events.ChatEvent) -> None:
            for subscriber in subscribers:
                subscriber.put(cast("Any", (event,)))
            if sink is not None:
                sink(event)

        try:
            yield tell
        finally:
            await asyncio.gather(*(handler.end(PATIENCE_S) for handler in self._handlers))

    def _teller(self, run_id: str, tell: Sink, first: events.TurnStarted | None = None) -> Teller:
        """Make what tells a turn; one that was suspended goes on where its telling ended."""
        (run, told), self._open = self._open, ("", frozenset())
        return Teller(self._graph, self.store, run_id, tell, first, told if run == run_id else frozenset())

    async def _run(self, number: int, message: Message | None, teller: Teller) -> Result[Any]:
        run_id = self._conversation.run_id(number)
        around: dict[str, Any] = {
            "resources": self._resources,
            "policies": self._policies,
            "on_event": teller.hear,
            "observers": self._observers,
            "clock": self._clock,
        }
        if message is None:
            teller.skip_recorded()
            teller.begin_open()
            return await runtime.resume(self.store, run_id, self._graph, limits=self._limits, **around)
        begin = self._conversation.opening(message, self.keep)
        return await runtime.run(
            self._graph,
            begin,
            store=self.store,
            run_id=run_id,
            limits=self._limits or self._graph.limits,
            target=self._target,
            **around,
        )

    def _stopped(self, run_id: str) -> TurnStopped:
        return TurnStopped(
            f"the turn (run {run_id}) was cancelled; resume() goes on with it", run=run_id, status="cancelled"
        )

    def _concluded(self, number: int, result: Result[Any], teller: Teller, tell: Sink) -> Message:
        """Tell how a turn ended, and return its reply."""
        if result.status == "suspended":
            teller.pause()
            self._open = (result.run, teller.open)
            tell(events.TurnSuspended(result.run, result.questions))
        else:
            teller.finish()
        if result.status == "cancelled":
            tell(events.TurnCancelled(result.run))
            raise self._stopped(result.run)
        if result.error is not None:
            at = result.failed_at[1] if result.failed_at else None
            tell(events.TurnFailed(result.run, result.error.type, result.error.message, at))
        state = result.unwrap()
        reply = cast("Message | None", state.messages[-1] if len(state.messages) else None)
        self._conversation.completed(number, state)
        if reply is None or isinstance(reply, UserMessage):
            error = RunFailed(
                f"turn {number} (run {result.run}) ended without a reply: flow {self.flow.name!r} wrote no message",
                run=result.run,
                status=result.status,
            )
            tell(events.TurnFailed(result.run, "RunFailed", str(error)))
            raise error
        tell(events.TurnCompleted(result.run, reply))
        return reply


def supplies(policy: object) -> bool:
    """Say whether a policy may answer by another model than the one that it wraps."""
    return bool(getattr(policy, "supplies", False))


def _is_cancelled() -> bool:
    """Say whether somebody has cancelled the present task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _as_message(message: object) -> Message:
    found = brief(message)
    if isinstance(message, UserMessage):
        return message
    if isinstance(message, str):
        return user(message)
    if isinstance(message, Sequence):
        parts = cast("Sequence[object]", message)
        if parts and all(isinstance(part, TextPart | ImagePart | FilePart) for part in parts):
            return user(cast("Sequence[TextPart | ImagePart | FilePart]", parts))
    raise UseError(f"{found} cannot be said to a flow; give text, a UserMessage, or its parts")
