"""The demo keeps its promises: it runs as a new user runs it, and every command that it suggests works."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from graphrt.testing.endpoint import Answer, Endpoint, Received, calling, stream
from graphs import demo

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.anyio]


def desk(request: Received) -> Answer:
    """Answer as a model would that sorts, looks up and repeats the facts."""
    messages: Any = request.json["messages"]
    said, last = messages[0]["content"], messages[-1]
    if "exactly one of these" in said:
        text = last["content"].lower()
        return stream("refund" if "money" in text else "product" if "clean" in text else "delivery")
    if "tools" not in request.json:
        return stream(" ".join(re.findall(r"^(?:facts: )?- (.*)$", last["content"], re.MULTILINE)))
    if last["role"] == "tool":
        return stream(last["content"])
    number = re.search(r"[A-Z]-\d{4}", last["content"])
    return (
        calling("find_order", f'{{"number": "{number.group()}"}}') if number else stream("The message names no order.")
    )


async def command(*words: str, cwd: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run a command to its end; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 240)
    return process.returncode or 0, printed.decode()


async def test_the_demo_and_all_that_it_suggests(tmp_path: Path) -> None:
    """Four messages are answered, drawn and stored; then show, why, replay, answer and run do what they say."""
    shutil.copytree(ROOT / "graphs", tmp_path / "graphs", ignore=shutil.ignore_patterns("__pycache__"))
    async with Endpoint(desk) as endpoint:
        paths = os.pathsep.join(str(path) for path in (tmp_path, ROOT, ROOT / "viz"))
        env = {
            **os.environ,
            "PYTHONPATH": paths,
            "OPENAI_BASE_URL": endpoint.url,
            "GRAPHRT_MODEL": "m",
            "COLUMNS": "200",
        }
        code, printed = await command(sys.executable, "-m", "graphs.demo", cwd=tmp_path, env=env)
        assert code == 0, printed
        for message in demo.MESSAGES:
            assert f"» {message}\n" in printed
        assert re.findall(r"^  run \w+ (\w+) after", printed, re.MULTILINE) == [*["completed"] * 3, "suspended"]
        assert "« Order A-1042: the kettle was shipped on 20 November." in printed
        assert "✗ the clerk found no order" in printed
        assert "waits for an answer: Pay this refund? (approve or decline)" in printed
        pictures = re.findall(r"\S+\.svg", printed)
        assert len(pictures) == 2
        assert all((tmp_path / picture).read_text("utf-8").startswith("<svg") for picture in pictures)

        steps = re.findall(r"^  \.venv/bin/graphrt (.*?)  +(\S.*)$", printed, re.MULTILINE)
        assert [step.split()[0] for step, _ in steps] == ["show", "why", "replay", "answer", "run"]
        told: dict[str, str] = {}
        for step, _ in steps:
            code, told[step.split()[0]] = await command(
                sys.executable, "-m", "graphrt", *shlex.split(step), cwd=tmp_path, env=env
            )
            assert code == 0, f"graphrt {step}\n{told[step.split()[0]]}"
    assert "look up" in told["show"]
    assert "delivery" in told["why"] or "review" in told["why"]
    assert "✓ completed" in told["answer"]
    assert "Order C-3007: the coffee grinder is waiting for stock." in told["run"]


async def test_without_a_model_the_demo_says_how_to_get_one(tmp_path: Path) -> None:
    """One line on stderr with the three ways, exit code 2, nothing made."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "viz"))), "GRAPHRT_MODEL": "gpt-x"}
    env.pop("OPENAI_API_KEY", None)
    env.pop("OPENAI_BASE_URL", None)
    code, printed = await command(sys.executable, "-m", "graphs.demo", cwd=tmp_path, env=env)
    assert code == 2
    assert printed.startswith("demo: model 'gpt-x' is wanted, but no endpoint is known")
    assert printed.count("\n") == 1
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names are enough, and nothing else runs here
