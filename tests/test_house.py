"""The house rules that no linter knows: what may be committed, what an import may load, what the verbs say.

It must never depend on how a module does its work: each of these rules holds for any module that may come.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "graphrt", ROOT / "viz" / "graphrt_viz")
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
SETTINGS = tomllib.loads(PYPROJECT)


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without input, and give what it printed."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def committed() -> list[Path]:
    """Every file that git tracks and that is still there."""
    listing = run("git", "ls-files", "-z")
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The text of a file; the empty text for pictures and other binary files."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", "replace")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Each module of both packages with its syntax tree."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"), str(path))


def place(path: Path, line: int) -> str:
    """Where a finding is, as an editor understands it."""
    return f"{path.relative_to(ROOT)}:{line}"


def test_constraints_hold_names_and_versions_only() -> None:
    """A constraint is `name==version`: where the package comes from is the machine's business."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)] == []


def test_constraints_cover_every_dependency() -> None:
    """No direct dependency floats: each one named in pyproject.toml has its version in constraints.txt."""

    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    locked = {plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    project = SETTINGS["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {plain(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in wanted}
    assert names - locked == set()


def test_no_committed_file_names_a_registry_host() -> None:
    """Sources and locks work against any mirror, so none may name the host that one machine happened to use."""
    host = re.compile(r"(files\.pythonhosted|pypi|registry\.(npmjs|yarnpkg)|deb\.debian)\.(org|com)", re.IGNORECASE)
    found = [
        place(path, number)
        for path in committed()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if host.search(line)
    ]
    assert found == []


def test_no_lock_holds_an_address() -> None:
    """A lock file that records download addresses binds every machine to one registry."""
    locks = [path for path in committed() if path.name.endswith(("-lock.json", ".lock", "requirements.txt"))]
    found = [
        place(path, number)
        for path in locks
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if re.search(r'"resolved"|\burl *=|https?://(?!.*(fund|sponsor|opencollective))', line)
    ]
    assert found == []


def test_no_code_is_made_from_data() -> None:
    """A trace or a graph from elsewhere is data: no pickle, no marshal, no eval, no exec in either package."""
    found: list[str] = []
    for path, tree in modules():
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    imported = [alias.name.split(".")[0] for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    imported = [module.split(".")[0]]
                case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__")):
                    found.append(place(path, node.lineno))
                    continue
                case _:
                    continue
            if {"pickle", "marshal", "shelve", "dill", "cloudpickle"}.intersection(imported):
                found.append(place(path, node.lineno))
    assert found == []


DIRECTIVE = re.compile(
    r"#\s*(?:noqa(?P<noqa>:\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
    r"|(?:type|pyright|mypy):\s*ignore(?P<types>\[[\w\s,-]+\])?"
    r"|ruff:\s*(?:noqa|disable)(?P<file>:\s*[A-Z]+[0-9]+|\[[\w\s,-]+\])?"
    r"|pragma:\s*no\s+(?:cover|branch)(?P<pragma>))",
)


def unexplained(text: str) -> Iterator[tuple[int, str]]:
    """Each line of Python whose ignore lacks a code, or a reason on the line or in a comment just above it."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        directives = list(DIRECTIVE.finditer(line))
        if not directives:
            continue
        if any(all(group is None for group in match.groups()) for match in directives):
            yield number, "names no code"
        reason = DIRECTIVE.sub("", line[directives[0].start() :]).strip(" #-:—")
        above = lines[number - 2].strip() if number > 1 else ""
        if not reason and not (above.startswith("#") and not DIRECTIVE.search(above)):
            yield number, "gives no reason"


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("import x  # " + "noqa: F401  # read by the plug-in", []),
        ("x = y  # " + "type: ignore[attr-defined]  # the stub lacks it", []),
        ("# the stub lacks it\nx = y  # " + "type: ignore[attr-defined]", []),
        ("x = y  # " + "type: ignore[a-b]  # " + "pyright: ignore[reportB]  # the stub lacks it", []),
        ("import x  # " + "noqa: F401", ["gives no reason"]),
        ("import x  # " + "noqa", ["names no code", "gives no reason"]),
        ("x = y  # " + "type: ignore  # the stub lacks it", ["names no code"]),
        ("if x:  # " + "pragma: no cover", ["gives no reason"]),
        ("text = 'nothing to see'", []),
    ],
)
def test_an_ignore_without_code_or_reason_is_seen(line: str, findings: list[str]) -> None:
    """The rule below can fail: it tells an explained ignore from a bare one."""
    assert [finding for _, finding in unexplained(line)] == findings


def test_every_ignore_has_a_code_and_a_reason() -> None:
    """Whoever silences a checker says which rule, and why it is wrong here."""
    found = [
        f"{place(path, number)} {finding}"
        for path in committed()
        if path.suffix == ".py" and path != Path(__file__)
        for number, finding in unexplained(text_of(path))
    ]
    assert found == []


def test_every_exemption_in_the_settings_has_a_reason() -> None:
    """Each rule that pyproject.toml turns off carries a comment on its line."""
    lint = PYPROJECT[PYPROJECT.index("[tool.ruff.lint]") : PYPROJECT.index("[tool.ruff.lint.pydocstyle]")]
    codes = [line for line in lint.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*"', line)]
    assert codes
    assert [line for line in codes if not re.search(r",\s+# \S+", line)] == []


HEAVY = ("asyncio", "graphrt_viz", "networkx", "openai", "sqlite3")
KERNEL = next(c for c in SETTINGS["tool"]["importlinter"]["contracts"] if "kernel" in c["name"])["source_modules"]
LOADED = "import sys; base = set(sys.modules); import {}; print(*(set(sys.modules) - base), sep='\\n')"


@pytest.mark.parametrize("name", ["graphrt", "graphrt.flow", *KERNEL])
def test_an_import_of_the_kernel_stays_light(name: str) -> None:
    """Who writes, steps, replays or checks loads no event loop, database, model client, graph library or visualiser."""
    path = ROOT.joinpath(*name.split("."))
    if not (path.with_suffix(".py").exists() or path.is_dir()):
        pytest.skip(f"{name} does not exist")
    result = run(sys.executable, "-c", LOADED.format(name))
    assert result.returncode == 0, result.stderr
    assert sorted(set(HEAVY).intersection(result.stdout.split())) == []


@pytest.mark.parametrize(
    ("event", "args", "allowed"),
    [
        ("socket.connect", (None, ("127.0.0.1", 80)), True),
        ("socket.connect", (None, ("::1", 80, 0, 0)), True),
        ("socket.connect", (None, "/run/postgresql/.s.PGSQL.5432"), True),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0), True),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0), True),
        ("socket.connect", (None, ("192.0.2.1", 80)), False),
        ("socket.getaddrinfo", (b"example.invalid", 80, 0, 0, 0), False),
    ],
)
def test_a_test_reaches_this_machine_only(event: str, args: tuple[object, ...], allowed: bool) -> None:
    """Python announces each connection and look-up before it is made; one that would leave this machine is refused."""
    if allowed:
        sys.audit(event, *args)
    else:
        with pytest.raises(pytest.fail.Exception, match="tests talk to this machine only"):
            sys.audit(event, *args)


@pytest.mark.slow
def test_the_wheel_holds_both_packages_and_nothing_else(tmp_path: Path) -> None:
    """An install from the wheel gives `graphrt` and `graphrt_viz`, typed, and puts no other name beside them."""
    pytest.importorskip("hatchling", reason="needs the extra `dev`")
    result = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"graphrt", "graphrt_viz"}
    assert {"graphrt/py.typed", "graphrt_viz/py.typed"} <= set(names)
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import graphrt, graphrt_viz; "
    code += "print(graphrt.__file__); print(graphrt_viz.__file__)"
    imported = run(sys.executable, "-c", code, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr
    assert all(line.startswith(str(tmp_path)) for line in imported.stdout.splitlines())


def test_make_alone_prints_every_verb() -> None:
    """`make` without a target is the table of contents: each verb a person may say is in it."""
    recipe = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", recipe, re.MULTILINE)
    verbs = [name for name in phony.split() if "-" not in name]
    printed = run("make", "--no-print-directory", env={"MAKEFLAGS": "", "MAKELEVEL": ""}).stdout
    assert [line.split()[1] for line in printed.splitlines()] == verbs


def test_committed_pictures_show_the_flows_of_today() -> None:
    """A picture beside a flow is drawn from it: `make graphs` has been run since the flow was changed."""
    pictures = sorted((ROOT / "graphs").glob("*.svg"))
    assert pictures
    for picture in pictures:
        source = picture.with_suffix(".py")
        result = run(sys.executable, "-m", "graphrt", "render", source, "-o", picture, "--check")
        assert result.returncode == 0, f"{result.stdout}{result.stderr}run: make graphs"


def test_the_guide_for_contributors_names_what_is_there() -> None:
    """Each verb, file and link that CONTRIBUTING.md names exists."""
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    recipe = (ROOT / "Makefile").read_text("utf-8")
    verbs = re.findall(r"\bmake ([a-z-]+)|`(check-[a-z]+)`", guide)
    assert [verb for pair in verbs for verb in pair if verb and f"\n{verb}:" not in recipe] == []
    named = re.findall(r"(?:\b(?:docs|graphrt|graphs|tests|tools)/|(?<=\]\())[\w./*]+", guide)
    assert "docs/architecture.md" in named
    assert [path for path in named if not any(ROOT.glob(path))] == []


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout of what setting up needs, without an environment; its `bin` is the only place to find commands."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for package in PACKAGES:
        target = tmp_path / package.relative_to(ROOT)
        target.mkdir(parents=True)
        (target / "__init__.py").touch()
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("awk", "cat", "cksum", "df", "dirname", "grep", "paste", "rm", "sed", "sh", "sort", "tail", "tr"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return tmp_path


def command(folder: Path, name: str, script: str) -> None:
    """Put a shell script in the folder under the name of a command."""
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)


def setup(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Set up the extra `dev` in a checkout whose PATH holds only its own `bin`."""
    path = {"PATH": str(checkout / "bin"), "PYTHON": ""}
    return run("/bin/sh", "tools/setup.sh", "dev", cwd=checkout, env=path | env)


def test_setup_says_that_python_is_missing(bare: Path) -> None:
    """Without any interpreter it says what it looked for and what to install, and leaves nothing behind."""
    result = setup(bare)
    assert result.returncode == 1
    assert "no Python 3.11 or later was found" in result.stderr
    assert "apt install python3" in result.stderr
    assert not (bare / ".venv").exists()


def test_setup_says_that_python_is_too_old(bare: Path) -> None:
    """An interpreter that is too old is named with its version."""
    command(bare / "bin", "python3", 'case "$2" in *version_info*) exit 1 ;; *) echo 3.9.2 ;; esac')
    result = setup(bare)
    assert result.returncode == 1
    assert "python3 is 3.9.2, too old" in result.stderr


def test_setup_says_that_the_venv_module_is_missing(bare: Path) -> None:
    """Debian splits the venv module off; the message names the package that brings it."""
    command(bare / "bin", "python3", 'case "$2" in *ensurepip*) exit 1 ;; *) echo 3.11.2 ;; esac')
    result = setup(bare)
    assert result.returncode == 1
    assert "its venv module is missing" in result.stderr
    assert "apt install python3-venv" in result.stderr


def test_setup_says_that_the_disk_is_full(bare: Path) -> None:
    """It measures before it starts, and says how much is free and how much is needed."""
    command(bare / "bin", "df", "printf 'Filesystem\\n/dev/x 1 1 20480 99% /\\n'")
    result = setup(bare, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "not enough disk space: 20 MB are free here" in result.stderr


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        (
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
            "could not be reached",
        ),
        ("ERROR: Failed building wheel for x", "pip could not install the packages; its last lines are above"),
    ],
)
def test_setup_tells_why_pip_failed(bare: Path, said: str, message: str) -> None:
    """A full disk, a silent registry and any other failure of pip each get their own message, and the log is named."""
    venv = bare / ".venv"
    (venv / "bin").mkdir(parents=True)
    command(venv / "bin", "python", f'case "$*" in *"pip install"*) echo "{said}"; exit 1 ;; esac')
    result = setup(bare)
    assert result.returncode == 1
    assert message in result.stderr
    assert "The whole log: .venv/install.log" in result.stderr
    assert (venv / "install.log").read_text("utf-8").strip() == said
    assert not (venv / "graphrt-ready").exists()


@pytest.mark.slow
def test_setup_says_that_the_registry_is_out_of_reach(bare: Path) -> None:
    """Without a network it names the cause, what to do and the log, and a second try starts over."""
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    for _ in range(2):
        result = setup(bare, PYTHON=sys.executable, PIP_RETRIES="1", **nowhere)
        assert result.returncode == 1
        assert "the package registry could not be reached" in result.stderr
        assert ".venv/install.log" in result.stderr
        assert (bare / ".venv" / "install.log").exists()
        assert not (bare / ".venv" / "graphrt-ready").exists()


def test_setup_is_done_once(bare: Path) -> None:
    """With the stamp of these very files in place it does nothing; when a constraint changes it starts again."""
    venv = bare / ".venv"
    (venv / "bin").mkdir(parents=True)
    command(venv / "bin", "python", 'echo "$@" >>"$0.log"')
    called = venv / "bin" / "python.log"

    def installs() -> int:
        return called.read_text("utf-8").count("-m pip install")

    assert setup(bare).returncode == 0
    assert installs() == 1
    assert (venv / "graphrt-ready").read_text("utf-8").splitlines()[1] == "dev"
    assert setup(bare).returncode == 0
    assert installs() == 1
    with (bare / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("one-more==1.0\n")
    assert setup(bare).returncode == 0
    assert installs() == 2


def test_the_page_on_architecture_has_the_layers_of_the_contract() -> None:
    """Whoever reads `docs/architecture.md` finds every module in the layer that `make check` proves."""
    contract = SETTINGS["tool"]["importlinter"]["contracts"][0]["layers"]
    there = {path.stem for path in (ROOT / "graphrt").iterdir()} - {"__main__"}
    promised = [there.intersection(re.findall(r"\w+", layer)) for layer in contract]
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", text_of(ROOT / "docs" / "architecture.md"), re.MULTILINE)
    told = [set(re.findall(r"`(\w+)/?`", cell)) for _, cell in rows]
    assert [int(number) for number, _ in rows] == list(range(len(rows), 0, -1))
    assert told == [layer for layer in promised if layer]


def test_the_index_lists_every_page() -> None:
    """A page of the documentation that nobody can find from `docs/index.md` is none."""
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", text_of(ROOT / "docs" / "index.md")))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert pages == linked
