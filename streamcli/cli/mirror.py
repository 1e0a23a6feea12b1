"""The mirror command."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple, TypeVar

from streamcli.cli.context import Context, complain, now_ms
from streamcli.cli.reading import Damage
from streamcli.cli.values import format_size
from streamcli.engine.url import KafkaUrl
from streamcli.mirror.account import Account, find_account, topics_of
from streamcli.mirror.interface import Place, Wanted
from streamcli.mirror.mirroring import Counts, Mirroring, Options
from streamcli.mirror.outage import GaveUp, Outage
from streamcli.mirror.sides import Opening, Sides
from streamcli.mirror.status import statuses
from streamcli.record.errors import CorruptData, PartWritten, StreamcliError, UsageError
from streamcli.storage.directory import LogDirectory

T = TypeVar("T")

GIVE_UP = 60.0
"""Seconds without its target after which a run that does not follow ends."""


class Request(NamedTuple):
    """The command's flags and arguments, as declared in cli.mirror_commands."""

    topics: list[str]
    to: KafkaUrl | str | None
    follow: bool
    name: str | None
    hold: bool
    release: bool
    give_up: int | None
    skip_corrupt: bool
    status: bool
    json: bool

    def check(self, sides: Sides) -> None:
        """UsageError for flags that contradict each other, or have no meaning for these sides."""
        if (self.hold or self.release) and not isinstance(sides.source, str):
            raise UsageError(
                f"--hold has retention wait in a log directory, and a cluster has its own ({sides.source}): leave it out"
            )
        if sum((self.status, self.release, self.follow)) > 1 or (self.hold and (self.release or self.status)):
            raise UsageError("--status and --release mirror nothing: leave out -f and --hold, and give one of them")
        if self.json and not self.status:
            raise UsageError("--json is for --status: add it, or leave out --json")

    @property
    def patience(self) -> float | None:
        """Seconds without the target before giving up, None for ever."""
        if self.give_up is not None:
            return self.give_up / 1000
        return None if self.follow else GIVE_UP


def run(context: Context, **values: Any) -> int:
    """Mirror; 6 when corrupt data was passed by, 8 when records were gone before they were mirrored."""
    request = Request(**values)
    sides = Sides.of(context.kafka or context.path, request.to)
    request.check(sides)
    damage = Damage(skip=request.skip_corrupt, notice=context.notice)
    with context.stop.deferred(second_raises=True) as wakeup:
        run = Run(context, request, sides, damage, wakeup)
        if request.status:
            run.show_status()
        elif request.release:
            run.release()
        else:
            run.mirror()
    if context.stop.pending is not None:
        raise context.stop.pending
    if damage.skipped:
        return CorruptData.status
    return PartWritten.status if run.lost else 0


class Run:
    """One run of the command. lost: records that were gone before it came to them."""

    def __init__(self, context: Context, request: Request, sides: Sides, damage: Damage, wakeup: int) -> None:
        self._context = context
        self._request = request
        self._sides = sides
        self._damage = damage
        self._wakeup = wakeup
        self._opened = Opening(sides, sides.cluster and context.connection(sides.cluster), context.lock_timeout)
        self._outage = Outage(
            str(sides.cluster or sides.target),
            limit=request.patience,
            wakeup=wakeup,
            check=self._check_stop,
            tell=context.notice,
        )
        self.lost = 0

    def mirror(self) -> None:
        context, started = self._context, time.monotonic()
        if isinstance(self._sides.target, str):
            LogDirectory(self._sides.target, lock_timeout=context.lock_timeout, create=True)
        account = self._account()
        with account.locked(context.lock_timeout):
            options = Options(
                self._request.follow,
                self._wakeup,
                lambda: context.stop.pending is not None,
                now_ms,
                complain,
                lambda: topics_of(self._opened.opposite(account.pair)),
            )
            target = self._opened.target(account.name, self._outage, now_ms, context.notice)
            mirroring = Mirroring(target, account, self._outage, options)
            try:
                mirroring.run(self._opened.source(self._wanted(account.name, mirroring.lose)))
            finally:
                self.lost = mirroring.counts.lost
                self._summarise(mirroring.counts, account.name, time.monotonic() - started)

    def show_status(self) -> None:
        from streamcli.cli.mirror_status import print_status

        account = self._account()
        with closing(self._opened.source(self._wanted(account.name))) as source:
            found = self._asked(lambda: list(statuses(source, partial(self._opened.progress, account.name), account)))
        print_status(account.name, str(self._sides.target), found, json=self._request.json)

    def release(self) -> None:
        account = self._account()
        source = self._opened.source(self._wanted(account.name))
        released = sum(map(source.release, source.topics()))
        if not released:
            self._context.notice(f"mirror {account.name} held nothing ({source.where})")

    def _account(self) -> Account:
        return find_account(self._asked(self._opened.pair), self._request.name)

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return self._outage.asked(question)
        except GaveUp as error:
            raise StreamcliError(
                f"{self._sides.cluster} was not reached: {error}: nothing was mirrored; is the cluster up, and its address right?"
            ) from None

    def _wanted(self, name: str, on_lost: Callable[[Place, int, int], None] = lambda *_: None) -> Wanted:
        request = self._request
        return Wanted(request.topics or ["*"], name, request.follow, request.hold, self._damage, on_lost)

    def _check_stop(self) -> None:
        """Who waits for the other side has nothing in hand that is not safe."""
        if self._context.stop.pending is not None:
            raise self._context.stop.pending

    def _summarise(self, counts: Counts, name: str, seconds: float) -> None:
        noun = "record" if counts.records == 1 else "records"
        size = format_size(counts.bytes)
        self._context.summary(f"{counts.records:,} {noun}, {size} -> {self._sides.target} as {name} in {seconds:.1f} s")
