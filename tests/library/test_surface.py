"""What `import streamcli` offers: the names, their docstrings and examples, and what it costs those who need none of it."""

from __future__ import annotations

import ast
import doctest
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import streamcli
from tests.docs.project import code_blocks, section
from tests.support.waiting import DEADLINE

SOURCE = ast.parse(Path(streamcli.__file__).read_bytes())
MODULES = sorted(path.stem for path in (Path(streamcli.__file__).parent / "library").glob("[a-z]*.py"))

PUBLIC = {
    "Busy",
    "Consumer",
    "ConsumerRecord",
    "CorruptData",
    "Directory",
    "NotFound",
    "OffsetOutOfRange",
    "PartWritten",
    "PartitionDescription",
    "Producer",
    "Reader",
    "StreamcliError",
    "TopicDescription",
    "TopicExists",
    "UnsupportedBatch",
    "UsageError",
    "open",
}


def statically_imported() -> dict[str, str]:
    """Name -> module, of what a type checker sees."""
    return {
        alias.asname: node.module
        for node in ast.walk(SOURCE)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("streamcli.")
        for alias in node.names
        if alias.asname
    }


def test_the_public_names_are_these() -> None:
    assert set(streamcli.__all__) == PUBLIC
    assert streamcli.__all__ == sorted(streamcli.__all__)
    assert set(dir(streamcli)) >= PUBLIC


def test_a_type_checker_sees_what_is_there() -> None:
    seen = statically_imported()
    assert set(seen) == PUBLIC
    for name, module in seen.items():
        assert getattr(streamcli, name) is getattr(import_module(module), name)


def test_a_name_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(AttributeError, match="'streamcli' has no attribute 'nonsense'"):
        _ = streamcli.nonsense


def test_every_public_name_and_method_has_a_docstring() -> None:
    for name in PUBLIC:
        found = getattr(streamcli, name)
        assert found.__doc__, name
        if inspect.isclass(found) and not issubclass(found, tuple | Exception):
            methods = [method for method in vars(found) if not method.startswith("_")]
            assert [
                method for method in methods if callable(vars(found)[method]) and not vars(found)[method].__doc__
            ] == []


@pytest.mark.parametrize("module", ["streamcli", *(f"streamcli.library.{name}" for name in MODULES)])
def test_examples_in_docstrings_print_what_they_show(module: str) -> None:
    for test in doctest.DocTestFinder(exclude_empty=True).find(import_module(module)):
        # Each has a directory of its own, so that they do not depend on their order.
        test.globs |= {"streamcli": streamcli, "directory": streamcli.open(f"examples-{test.name}")}
        assert doctest.DocTestRunner().run(test).failed == 0, test.name


def test_the_example_in_readme_prints_what_it_shows() -> None:
    (example,) = code_blocks(section("From Python"), "python")
    test = doctest.DocTestParser().get_doctest(example, {}, "README", None, None)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_there_are_examples() -> None:
    classes = (streamcli.Directory, streamcli.Producer, streamcli.Reader, streamcli.Consumer)
    for each in (streamcli, *classes):
        assert ">>>" in (each.__doc__ or ""), each


def test_a_command_loads_nothing_of_the_library() -> None:
    code = (
        "import sys; sys.argv = ['streamcli', 'produce', 't']\n"
        "import streamcli, streamcli.cli.main, streamcli.cli.produce\n"
        "print(*[name for name in sys.modules if name.startswith('streamcli.library') or name == 'logging'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stdout == "\n"


def test_strictly_typed_programs_pass(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import streamcli\n"
        "def count(path: str) -> int:\n"
        "    directory = streamcli.open(path)\n"
        "    with directory.producer('t', sync='batch') as producer:\n"
        "        producer.append(b'v', key=b'k', headers=[('h', None)])\n"
        "    with directory.consume('t', group='g') as consumer:\n"
        "        sizes = [len(record.value or b'') for record in consumer]\n"
        "    try:\n"
        "        return sum(sizes) + next(directory.read('t', start=-1)).offset\n"
        "    except streamcli.StreamcliError as error:\n"
        "        return error.status\n"
    )
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import streamcli\nstreamcli.open().producer('t').append('text')\nstreamcli.nonsense()\n")
    config = ["--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "mypy", *config, str(program), str(wrong)]
    patience = 10 * DEADLINE  # without a cache mypy reads all of the standard library's stubs that it needs
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False, cwd=tmp_path)
    faults = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(faults) == 2, done.stdout + done.stderr
    assert 'wrong.py:2: error: Argument 1 to "append" of "Producer" has incompatible type "str"' in faults[0]
    assert 'wrong.py:3: error: Module has no attribute "nonsense"' in faults[1]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda directory: directory.create_topic("u", True), "bad number of partitions True"),
        (lambda directory: directory.create_topic("u", "3"), "bad number of partitions '3'"),
        (lambda directory: directory.alter_topic("t", partitions=True), "bad number of partitions True"),
        (lambda directory: directory.alter_topic("t", unset="retention.ms"), "no such topic config"),
        (lambda directory: directory.alter_topic("t", unset=["retention"]), "no such topic config"),
        (lambda directory: directory.producer("t", sync="Batch"), "bad sync 'Batch': use one of exit, batch, none"),
        (lambda directory: directory.producer("t", partition=True), "a partition is an int, not True"),
        (lambda directory: directory.read("t", partitions=[0.0]), "a partition is an int, not 0.0"),
    ],
)
def test_what_is_no_such_value_is_refused_at_once_and_changes_nothing(
    call: Callable[[Any], object], error: str
) -> None:
    directory = streamcli.open()
    directory.create_topic("t")
    with pytest.raises((streamcli.UsageError, TypeError), match=error):
        call(directory)
    assert directory.topics() == ["t"]
    assert [len(directory.describe_topic("t").partitions), directory.describe_topic("t").overrides] == [1, {}]
