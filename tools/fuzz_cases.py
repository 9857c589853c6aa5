"""What the fuzz drivers share: which cases their options choose, and what they tell of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

MAX_REPORTED = 10
"""Failures after which a run ends."""


@dataclass
class Tally:
    """What happened: cases by outcome, failures as text."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(self.outcomes.values())

    def report(self, begin: float) -> int:
        """Print it for a run that began at that time of the monotonic clock; the exit code, 1 for failures."""
        for failure in self.failures:
            print(failure, file=sys.stderr)
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        print(f"{self.cases} cases in {time.monotonic() - begin:.0f} s: {outcomes}")
        return 1 if self.failures else 0


def case_parser(doc: str | None, cases: int) -> argparse.ArgumentParser:
    """Options of a driver with that docstring and number of cases."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=cases, help=f"how many ({cases})")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cases (0)")
    parser.add_argument("--only", type=int, metavar="N", help="run case N only")
    return parser


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """The option of a driver that can run for a time."""
    parser.add_argument("--minutes", type=float, help="run for so long instead of a number of cases")


def chosen_cases(options: argparse.Namespace, minutes: float | None = None) -> tuple[range, float]:
    """The numbers of the cases, and when to stop on the monotonic clock."""
    if options.only is not None:
        return range(options.only, options.only + 1), float("inf")
    if minutes is not None:
        return range(1 << 62), time.monotonic() + 60 * minutes
    return range(options.cases), float("inf")
