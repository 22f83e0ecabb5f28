"""The commands that a page tells its reader to type, and whether each is one that there is."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from pipelines.cli import sluice

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
NEEDS_A_CLOUD = re.compile(r"needs a cloud", re.IGNORECASE)
"""How a page says that a block, in the text right before it, or a line, in its comment, cannot be tried without one."""
PROGRAMS = {"sluice", "make", "python"}
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_FENCE = re.compile(r"^ *(```+)(\w*)$")
_BETWEEN = {"|", "||", "&&", ";", "&"}


@dataclass(frozen=True)
class Block:
    """Lines of a page that are typed, and the text right before them."""

    page: Path
    line: int
    text: str
    before: str
    language: str = ""

    @property
    def needs_a_cloud(self) -> bool:
        """Whether the page says so of all of it."""
        return bool(NEEDS_A_CLOUD.search(self.before))


@dataclass(frozen=True)
class Command:
    """One command of a block, without what the shell does around it."""

    words: tuple[str, ...]
    where: str
    needs_a_cloud: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """The program and what it is told to do: ``sluice keys new``, ``make demo``."""
        if self.words[0] == "sluice":
            return " ".join(("sluice", *path_of(self.words[1:])))
        told = next((word for word in self.words[1:] if "=" not in word and (word == "-m" or word[0] != "-")), "")
        return f"{self.words[0]} {told}".strip()


def blocks(page: Path) -> Iterator[Block]:
    """The fenced and indented blocks of a page."""
    lines = page.read_text().splitlines()
    before: list[str] = []
    number = 0
    while number < len(lines):
        if fence := _FENCE.match(lines[number]):
            end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == fence[1])
            yield Block(page, number + 1, "\n".join(lines[number + 1 : end]), " ".join(before), fence[2])
            number, before = end + 1, []
        elif _is_typed(lines, number):
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block(page, number + 1, "\n".join(lines[number:end]).rstrip(), " ".join(before))
            number, before = end, []
        else:
            if lines[number].strip():
                before = [*before, lines[number]]
            elif _ends(lines, number):
                before = []
            number += 1


def _is_typed(lines: list[str], number: int) -> bool:
    """Whether an indented block begins here: four columns after an empty line."""
    return lines[number].startswith("    ") and bool(lines[number].strip()) and not lines[number - 1].strip()


def _ends(lines: list[str], number: int) -> bool:
    """Whether a paragraph ends here and no block follows it."""
    following = next((line for line in lines[number:] if line.strip()), "")
    return not (following.startswith("    ") or _FENCE.match(following))


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block that are ours: ``sluice``, ``make``, ``python``; also behind a pipe, or in another."""
    if block.language not in ("", "sh", "bash"):
        return
    text = re.sub(r"\\\n\s*", " ", block.text)
    for number, line in enumerate(text.splitlines()):
        if re.match(r"\s*(#|$)", line):
            continue
        where = f"{block.page.relative_to(ROOT)}:{block.line + number}"
        cloud = block.needs_a_cloud or bool(NEEDS_A_CLOUD.search(line))
        for words in _typed(line):
            yield Command(words, where, cloud)


def _typed(line: str) -> Iterator[tuple[str, ...]]:
    while found := _SUBSTITUTION.search(line):
        yield from _typed(found[1])
        line = line[: found.start()] + "VALUE" + line[found.end() :]
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        words = [*lexer, ";"]
    except ValueError:  # a line of something else, such as a drawing or YAML with an apostrophe
        return
    one: list[str] = []
    for word in words:
        if word in _BETWEEN:
            if one and Path(one[0]).name in PROGRAMS:
                yield (Path(one[0]).name, *one[1:])
            one = []
        else:
            one.append(word)


def inline(page: Path) -> Iterator[Command]:
    """The commands of ``sluice`` between backticks in the text; what they are given may be left out there."""
    text = page.read_text()
    for found in re.finditer(r"`(sluice [^`]+)`", text):
        where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
        for words in _typed(" ".join(found[1].split())):
            yield Command(words, where)


def path_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the command that ``sluice`` words begin with."""
    found: list[str] = []
    group: click.Command = sluice
    for word in words:
        if not isinstance(group, click.Group) or word not in group.commands:
            break
        group = group.commands[word]
        found.append(word)
    return tuple(found)


def fault(command: Command, *, whole: bool = True) -> str:
    """What is wrong with a command as it is typed, or nothing; ``whole``: all that it must be given is there."""
    program, *words = command.words
    try:
        if program == "sluice":
            _parse(sluice, words, whole)
            return ""
    except click.UsageError as error:
        return error.format_message()
    return _make(words) if program == "make" else _python(words)


def _parse(command: click.Command, words: list[str], whole: bool) -> None:
    """Raises UsageError as ``sluice`` would for these words; opens no file and runs nothing."""
    context = click.Context(command, info_name=command.name)
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    for parameter in command.get_params(context):
        value = given.get(parameter.name)
        if value is None or parameter.value_is_missing(value):
            if whole and parameter.required:
                raise click.MissingParameter(ctx=context, param=parameter)
        elif not isinstance(parameter.type, click.Path | click.File):
            parameter.type_cast_value(context, value)
    if isinstance(command, click.Group):
        if rest:
            _, found, left = command.resolve_command(context, rest)
            _parse(found, left, whole)
        elif whole and not command.invoke_without_command:
            raise click.UsageError(f"{command.name}: of its commands none is named")
    elif rest:
        raise click.UsageError(f"{command.name}: {' '.join(rest)}: is more than it takes")


def _make(words: list[str]) -> str:
    rules = (ROOT / "Makefile").read_text()
    for word in words:
        name, given, _ = word.partition("=")
        if word.startswith("-"):
            continue
        if given and f"$({name})" not in rules and not re.search(rf"\$\((or|if|filter [^)]*,)\s*\$?\(?{name}\b", rules):
            return f"make: nothing in the Makefile reads {name}"
        if not given and not re.search(rf"^{re.escape(word)}:", rules, re.MULTILINE):
            return f"make: there is no target {word}"
    return ""


def _python(words: list[str]) -> str:
    if words[:1] == ["-m"] and not importlib.util.find_spec(words[1]):
        return f"python: there is no module {words[1]}"
    return ""
