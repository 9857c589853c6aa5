"""Runs on boards as text."""

from __future__ import annotations

from rich.console import Console

from wpconvert.report.table import escape
from wpconvert.report.text import output_line
from wpconvert.target.result import TargetReport
from wpconvert.units import quantity


def print_run(console: Console, report: TargetReport) -> None:
    """Outputs, costs, then the verdict."""
    for output in report.outputs:
        console.print(escape(output_line(output)))
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    if report.instructions_mean is not None:
        spread = max(report.instructions or [0]) - min(report.instructions or [0])
        varies = f", varying by {spread:,}" if spread else ""
        console.print(f"instructions per inference: {report.instructions_mean:,} (measured{varies})")
    console.print(f"arena: {report.arena_nbytes:,} bytes used")
    console.print(
        f"flash: {report.code_nbytes + report.model_nbytes:,} bytes "
        f"(code {report.code_nbytes:,}, model {report.model_nbytes:,})"
    )
    where = f"{report.target} ({report.simulator})"
    if report.identical:
        console.print(
            f"[bold green]identical[/bold green]: {where} gives the same bits as the reference interpreter "
            f"on {quantity(report.samples, 'sample')}"
        )
        return
    broken = [f"output {output.name or i}" for i, output in enumerate(report.outputs) if not output.equal]
    console.print(
        f"[bold red]FAILED[/bold red]: {where} differs from the reference interpreter in {escape(', '.join(broken))}"
    )
