"""Help: of the program and of each command, as it was agreed, quickly and completely; and what the shell completes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from graphrt.cli.commands import GROUPS
from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden
from tests.cli.processes import environment

COMMANDS = [command for commands in GROUPS.values() for command in commands]
NAMES = [command.name for command in COMMANDS]


def test_the_program_lists_its_commands_by_what_a_person_wants(program: Program) -> None:
    """What TARGET and RUN are, what the exit codes say, and every command in its group."""
    ran = program("--help")
    assert (ran.code, ran.err) == (0, "")
    same_as_golden("help.txt", ran.out)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself(program: Program, name: str) -> None:
    """Usage, what it does, arguments, options and examples, no line wider than 100 cells."""
    ran = program(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert program(name, "-h").out == ran.out
    assert max(map(len, ran.out.splitlines())) <= 100
    same_as_golden(f"help-{name}.txt", ran.out)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_each_example_is_a_call_of_its_command(command: object) -> None:
    """Examples begin with the command that they are of, and have only options that it has."""
    from graphrt.cli.commands import Command

    assert isinstance(command, Command)
    assert command.examples
    for example in command.examples:
        assert example.startswith(f"graphrt {command.name}"), example


def test_the_version_is_told(program: Program) -> None:
    """`--version` is one line."""
    ran = program("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("graphrt 0.")


HEAVY = {"asyncio", "graphrt.runtime", "graphrt_viz", "networkx", "openai", "rich.console", "sqlite3"}


@pytest.mark.parametrize("args", [["--help"], ["show", "--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    """Whoever asks for help waits for no model client, database, event loop or drawing."""
    code = (
        "import sys\nfrom graphrt.cli import main\ntry:\n main(sys.argv[1:])\nfinally:\n print('loaded', *sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert "graphrt.cli.commands.show" in loaded
    assert sorted(HEAVY & loaded) == []
    assert len(args) > 1 or "pydantic" not in loaded  # typer reads the types of a command's options with it


# -- what the shell completes -----------------------------------------------------------------------------------------


@pytest.fixture
def shop(program: Program) -> Program:
    """A folder with runs and flows to complete."""
    program.keep(scenes.suspended(), scenes.researched())
    program.flow("support.py")
    program.flow("research.py")
    (program.folder / "flows").mkdir()
    return program


def complete(program: Program, shell: str, *words: str) -> list[str]:
    """Ask for what fits the last word, as the script of a shell does."""
    line = {
        "bash": {"COMP_WORDS": "\n".join(["graphrt", *words]), "COMP_CWORD": str(len(words))},
        "zsh": {"_TYPER_COMPLETE_ARGS": " ".join(["graphrt", *words])},
    }[shell]
    env = environment(_GRAPHRT_COMPLETE=f"complete_{shell}", **line)
    command = [sys.executable, "-c", "from graphrt.cli import main; main([])"]
    ran = subprocess.run(command, cwd=program.folder, env=env, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.split("\n")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("re",), ["resume", "render", "replay"]),
        (("show", ""), ["latest", "study", "desk"]),
        (("show", "st"), ["study"]),
        (("why", "desk", ""), ["0", "1", "2", "3", "4", "5", "6"]),
        (("replay", "desk", "--at", "3"), ["3"]),
        (("fork", "desk", "--at", ""), ["0", "1", "2", "3", "4", "5", "6"]),
        (("answer", "desk", ""), ["6", "send", "drop"]),
        (("answer", "study", ""), ["1.0.0", "1.1.0"]),
        (("answer", "study", "decide", ""), ["publish", "drop"]),
        (("run", ""), ["flows/", "research.py", "support.py"]),
        (("run", "s"), ["support.py"]),
        (("run", "research.py:"), ["research.py:look", "research.py:flow"]),
        (("check", "re"), ["research.py"]),
        (("render", "d"), ["desk"]),
        (("runs", "--status", "c"), ["completed", "cancelled"]),
        (("runs", "--flow", ""), ["research", "support"]),
        (("render", "desk", "--view", "t"), ["timeline"]),
        (("cancel", "nobody"), []),
    ],
    ids=" ".join,
)
def test_words_are_completed_in_bash(shop: Program, words: tuple[str, ...], offered: list[str]) -> None:
    """Commands, runs, visits, answers, flows in files and choices are offered where they may stand."""
    assert [found for found in complete(shop, "bash", *words) if found] == offered


def test_words_are_completed_in_zsh_with_what_they_mean(shop: Program) -> None:
    """Zsh shows beside each word what it stands for."""
    assert "\n".join(complete(shop, "zsh", "show", "")).strip() == (
        '_arguments \'*: :(("latest":"the newest run"\n"study":"research, suspended"\n"desk":"support, suspended"))\''
    )


def test_nothing_is_offered_without_a_store_or_run(program: Program) -> None:
    """Where there is no store, or no such run, the shell is told nothing, and no error either."""
    assert complete(program, "bash", "show", "") == ["", ""]
    assert complete(program, "bash", "why", "nobody", "") == ["", ""]


def test_a_file_is_not_run_to_complete_its_flows(program: Program) -> None:
    """Pressing Tab runs nobody's code."""
    (program.folder / "loud.py").write_text("open('ran', 'w')\nflow = Flow('loud', State)\nraise SystemExit\n")
    assert complete(program, "bash", "run", "loud.py:")[0] == "loud.py:flow"
    assert not (program.folder / "ran").exists()


@pytest.mark.parametrize(("shell", "begins"), [("bash", "_graphrt_completion() {"), ("zsh", "#compdef graphrt")])
def test_the_script_of_a_shell_can_be_shown(program: Program, shell: str, begins: str) -> None:
    """`--show-completion` prints what makes the shell ask."""
    command = [sys.executable, "-c", f"from graphrt.cli import main; main(['--show-completion', '{shell}'])"]
    env = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(begins)
    assert "_GRAPHRT_COMPLETE=complete_" + shell in ran.stdout


@pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_completion_can_be_installed(program: Program, shell: str, file: str) -> None:
    """`--install-completion` writes into the person's own settings, and nowhere else."""
    command = [sys.executable, "-c", f"from graphrt.cli import main; main(['--install-completion', '{shell}'])"]
    env = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", HOME=str(program.folder))
    ran = subprocess.run(command, cwd=program.folder, env=env, capture_output=True, text=True, check=True)
    assert f"{shell} completion installed in {program.folder}{os.sep}" in ran.stdout.replace("\n", "")
    assert (program.folder / file).exists()
