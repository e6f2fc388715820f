"""Hello: one agent that answers.

graphrt chat graphs/hello.py "Hello!"
"""

from __future__ import annotations

from graphrt import Agent, single

flow = single(
    Agent(
        "Answer in one friendly sentence.",
        name="host",
        examples=[
            ("Hello!", "Hello, and welcome!"),
            ("Good morning.", "Good morning to you!"),
            ("Hi, how are you?", "Very well, thank you; how can I help?"),
        ],
    ),
    name="hello",
)
