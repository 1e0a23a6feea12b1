"""What each option of produce and consume costs: the same input with it and without it, in turn."""

from __future__ import annotations

from tests.bench.case import Case, Pair, pair_case
from tests.bench.inputs import ACCESS
from tests.bench.place import Side
from tests.bench.stream_cases import produced

_EACH = 100
_RUNS = 3
"""At most: what options cost is told from one another by more than a run differs from the next."""


def option_cases() -> list[Case]:
    return [*_produce(), *_consume(), *_stored(), *_commands()]


def _produce() -> list[Case]:
    plain = produced("", ACCESS.few)
    small_segments = ("streamcli topics create new --segment-bytes 16M",)
    options: list[tuple[str, str, Side]] = [
        ("sync-batch", "--sync batch", produced("--sync batch", ACCESS.few)),
        ("sync-none", "--sync none", produced("--sync none", ACCESS.few)),
        ("partitions", "--partitions 8", produced("--partitions 8", ACCESS.few)),
        ("key", "-k KEY", produced("-k all", ACCESS.few)),
        ("keys", "-K, 1 partition", produced("-K ' '", ACCESS.few)),
        ("keys-8", "-K, 8 partitions", produced("-K ' ' --partitions 8", ACCESS.few)),
        ("header", "-H NAME=VALUE", produced("-H from=web", ACCESS.few)),
        ("delimiter", "-D of two bytes", produced(r"-D '00\n'", ACCESS.few)),
        ("offsets", "--offsets", produced("--offsets > /dev/null", ACCESS.few)),
        ("tee", "--tee", produced("--tee > /dev/null", ACCESS.few)),
        ("gzip", "-z gzip", produced("-z gzip", ACCESS.few)),
        ("zstd", "-z zstd", produced("-z zstd", ACCESS.few)),
        ("lz4", "-z lz4", produced("-z lz4", ACCESS.few)),
        ("segments", "segment.bytes=16M", produced("", ACCESS.few, before=small_segments)),
    ]
    return [
        pair_case(
            f"option-produce-{name}",
            f"produce {title}",
            "options",
            Pair(side, plain, ACCESS.few, needs=(ACCESS.few,), most_runs=_RUNS),
        )
        for name, title, side in options
    ]


def _consume() -> list[Case]:
    options = [
        ("keys", "-K", "-K ' '", ACCESS.keyed),
        ("format", "-F '%s %o'", r"-F '%s %o\n'", ACCESS.few_topic),
        ("format-key", "-F '%k %o %s'", r"-F '%k %o %s\n'", ACCESS.keyed),
        ("json", "--json", "--json", ACCESS.few_topic),
        ("grep-rare", "--grep, a rare string", f"--grep '{ACCESS.rare}'", ACCESS.few_topic),
        ("grep-regex", "--grep, a rare regex", f"--grep '{ACCESS.regex}'", ACCESS.few_topic),
        ("grep-frequent", "--grep, a frequent string", f"--grep '{ACCESS.frequent}'", ACCESS.few_topic),
        ("key", "--key KEY", "--key 10.1.4.197", ACCESS.keyed),
        ("delimiter", "-D STR", r"-D ';\n'", ACCESS.few_topic),
    ]
    return [_consumed(name, title, words, topic) for name, title, words, topic in options]


def _stored() -> list[Case]:
    """The same command on what was stored in another way."""
    ways = {
        "partitions": ("of 8 partitions", "--partitions 8", "true"),
        "gzip": ("of gzip", "-z gzip", "true"),
        "zstd": ("of zstd", "-z zstd", "true"),
        "lz4": ("of lz4", "-z lz4", "true"),
        "segments": ("of 16M segments", "", "streamcli topics create stored --segment-bytes 16M"),
    }
    return [
        _consumed(
            f"of-{name}",
            title,
            "",
            "stored",
            once_before=(create, f"streamcli produce stored {words} {ACCESS.few}"),
            once_after=("streamcli topics delete -y stored",),
        )
        for name, (title, words, create) in ways.items()
    ]


def _commands() -> list[Case]:
    delete = ("streamcli groups delete new",)
    add = "awk '{n += $1} END {print n}'"
    commands = [
        ("group", "-g", "-g new | wc -l"),
        ("command", "-g, -- COMMAND", f"-g new -- wc -l | {add}"),
        ("batch", "-g --batch 10000, -- COMMAND", f"-g new --batch 10000 -- wc -l | {add}"),
    ]
    cases = [
        pair_case(
            f"option-consume-{name}",
            f"consume {title}",
            "options",
            Pair(
                Side(f"streamcli consume {ACCESS.few_topic} {words}", after=delete, reads=(ACCESS.few_topic,)),
                _plain(),
                ACCESS.few,
                needs=(ACCESS.few_topic,),
                most_runs=_RUNS,
            ),
        )
        for name, title, words in commands
    ]
    each = Pair(
        Side(
            f"streamcli consume {ACCESS.few_topic} -g new -n {_EACH} --each -- true",
            after=delete,
            reads=(ACCESS.few_topic,),
        ),
        Side(f"head -n {_EACH} {ACCESS.few} | xargs -d '\\n' -n 1 true"),
        _EACH,
        needs=(ACCESS.few_topic,),
        most_runs=_RUNS,
    )
    return [*cases, pair_case("option-consume-each", "consume -g --each, -- true", "options", each)]


def _consumed(
    name: str,
    title: str,
    words: str,
    topic: str,
    once_before: tuple[str, ...] = (),
    once_after: tuple[str, ...] = (),
) -> Case:
    command = " ".join(word for word in ("streamcli consume", topic, words, "| wc -l") if word)
    pair = Pair(
        Side(command, reads=(topic,)),
        _plain(),
        ACCESS.few,
        needs=(ACCESS.few_topic, ACCESS.few if once_before else topic),
        once_before=once_before,
        once_after=once_after,
        most_runs=_RUNS,
        same_output="--grep" not in words and "--key" not in words,
    )
    return pair_case(f"option-consume-{name}", f"consume {title}", "options", pair)


def _plain() -> Side:
    return Side(f"streamcli consume {ACCESS.few_topic} | wc -l", reads=(ACCESS.few_topic,))
