"""Mistakes with runs and with what they leave."""

from __future__ import annotations

from pydantic import BaseModel

from graphrt import Context, Flow, Limits, RunFailed, tool


class Ticket(BaseModel):
    message: str = ""


class Other(BaseModel):
    message: str = ""


flow = Flow("runs", Ticket)


async def main(context: Context) -> None:
    await flow.run(Other())  # error: another state
    await flow.run({"message": ""})  # error: a state is an instance of its type
    await flow.run()  # error: no state
    await flow.run(Ticket(), limits=100)  # error: limits are named
    await flow.run(Ticket(), store=3)  # error: a store, or a text that names one
    await flow.run(Ticket(), seed="a")  # error: a number
    await flow.run(Ticket(), retry=3)  # error: no such option
    await flow.resume("first")  # error: from which store?
    flow.run(Ticket())  # error: never awaited
    good = await flow.run(Ticket())
    print(good.state.mesage)  # error: no such field
    good.state = Ticket()  # error: a result does not change
    print(good.status == "done")  # error: no such status
    print(good.error.message)  # error: there may be none
    flow.state = Ticket()  # error: nor do the fields of a flow
    async for event in await flow.stream(Ticket()):  # error: a stream is not awaited
        pass
    async for event in flow.stream_resume("first"):  # error: from which store?
        pass
    flow.stream_resume("first", store="runs.db", seed=3)  # error: no such option of a resume
    context.report({"tokens": 3})  # error: usage has a type
    context.emit(3)  # error: a text
    context.resource("shelf")  # error: a resource is asked for by its class
    print(context.resource(Ticket).mesage)  # error: and has its type
    Limits(visit=3)  # error: no such limit
    RunFailed()  # error: an error has a message
    tool(write=True)  # error: no such option
