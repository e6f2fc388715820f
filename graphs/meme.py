"""A meme with a bounded retry: a caption that falls flat is written again, at most twice; then the last one has to do.

graphrt run graphs/meme.py --input "Monday mornings"
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, Context, Flow, append

FOLDER = Path(".graphrt/memes")
PICTURE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 480" font-family="Impact, sans-serif" text-anchor="middle">
  <rect width="480" height="480" fill="#2E5FD0"/>
  <g transform="translate(240 240)" stroke="#1B2430" stroke-width="6">
    <path d="M-90-70-70-130-30-95H30L70-130 90-70Q120 90 0 100-120 90-90-70Z" fill="#FFF0CC"/>
    <path d="M-60-10H-20M20-10H60M-20 40Q0 25 20 40M-110 20H-60M60 20H110" fill="none"/>
  </g>
  <g font-size="34" fill="#FFFFFF" stroke="#1B2430" stroke-width="2" paint-order="stroke">
    <text x="240" y="60">{top}</text>
    <text x="240" y="450">{bottom}</text>
  </g>
</svg>
"""


class Caption(BaseModel):
    """The words of a meme."""

    top: str
    bottom: str


class Meme(BaseModel):
    """A subject, and what was made of it."""

    subject: str
    caption: Caption = Caption(top="", bottom="")
    tried: Annotated[list[Caption], append] = []
    """Captions that fell flat; the writer is told what not to write again."""
    verdict: Literal["funny", "flat"] | None = None
    file: str = ""


def caption_of(subject: str, top: str, bottom: str) -> tuple[dict[str, object], Caption]:
    """Return an example for the writer."""
    return {"subject": subject, "tried": []}, Caption(top=top, bottom=bottom)


writer = Agent(
    "Write the two lines of a meme with a cat that is not amused. Do not repeat what was tried.",
    examples=[
        caption_of("diets", "I started a diet", "It was a long five minutes"),
        caption_of("meetings", "This meeting", "Could have been a nap"),
        caption_of("rain", "They said sun", "I brought an umbrella"),
        caption_of("deadlines", "I love deadlines", "From a distance"),
        caption_of("gardening", "I planted flowers", "I grew a box to sleep on"),
    ],
)
critic = Agent(
    "Is this meme funny, or does it fall flat?",
    examples=[
        ("top: I started a diet bottom: It was a long five minutes", "funny"),
        ("top: Rain bottom: It is raining", "flat"),
        ("top: This meeting bottom: Could have been a nap", "funny"),
        ("top: A cat bottom: The cat sits", "flat"),
        ("top: I love deadlines bottom: From a distance", "funny"),
        ("top: Work bottom: I am working", "flat"),
    ],
)

flow = Flow("meme", Meme)
s = flow.state

write = flow.agent("write", writer, reads=(s.subject, s.tried), writes=s.caption)
judge = flow.router("judge", critic, reads=s.caption, writes=s.verdict)


@flow.task(writes=s.tried)
def shelve(caption: Caption) -> Caption:
    """Keep a caption that fell flat."""
    return caption


@flow.task(writes=s.file)
def draw(caption: Caption, context: Context) -> str:
    """Draw the meme: a file of this run, so that drawing again after a crash changes nothing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{context.run}.svg"
    file.write_text(PICTURE.format(top=escape(caption.top), bottom=escape(caption.bottom)), "utf-8")
    return str(file)


flow.start(write)
flow.edge(write, judge)
flow.edge(judge, shelve, on="flat", at_most=2)
flow.edge(shelve, write)
flow.edge(judge, draw, on="flat")
flow.edge(judge, draw, on="funny")
