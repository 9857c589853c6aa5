"""Results as text for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wpconvert.report.result import Conversion, OutputComparison, TensorResult, Verification

_NAME_WIDTH = 44


def percent(part: float, whole: float) -> str:
    """`part` of `whole` in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def shape_text(shape: tuple[int, ...]) -> str:
    """`64×3×3×16`."""
    return "×".join(map(str, shape)) or "scalar"


def short_name(name: str, width: int = _NAME_WIDTH) -> str:
    """Fused layers carry the names of all their parts: the end, which differs most, is kept."""
    return name if len(name) <= width else "…" + name[-(width - 1) :]


def print_conversion(console: Console, report: Conversion, verbose: bool) -> None:
    """The table of weights, the totals, the notes and the verdict."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("tensor", overflow="fold")
    table.add_column("operator")
    table.add_column("shape")
    for title in ("zeros", "method", "before", "after"):
        table.add_column(title, justify="right" if title != "method" else "left", no_wrap=True)
    shown = report.tensors if verbose else [t for t in report.tensors if t.method != "none"]
    for tensor in shown:
        table.add_row(*_tensor_row(tensor, verbose))
    if shown:
        console.print(table)
    if not verbose:
        _print_dense(console, report)
    saved = report.nbytes_before - report.nbytes_after
    weights = sum(t.nbytes_before for t in report.tensors), sum(t.nbytes_after for t in report.tensors)
    console.print(
        f"{report.rewritten} of {len(report.tensors)} tensors rewritten; "
        f"weights {weights[0]:,} → {weights[1]:,} bytes ({percent(weights[1], weights[0])})"
    )
    console.print(
        f"[bold]file {report.nbytes_before:,} → {report.nbytes_after:,} bytes[/bold] "
        f"({percent(report.nbytes_after, report.nbytes_before)}, {saved:,} saved)"
    )
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    if report.verification is not None:
        print_verification(console, report.verification)
    for path in report.written:
        console.print(f"wrote {escape(path)}")


def _tensor_row(tensor: TensorResult, verbose: bool) -> list[str]:
    name = tensor.name or f"(tensor {tensor.key})"
    rewritten = tensor.method != "none"
    after = f"{tensor.nbytes_after:,}" if rewritten else "as is"
    label = escape(name if verbose else short_name(name))
    if tensor.reason and not rewritten:
        label += f"\n  [dim]{escape(tensor.reason)}[/dim]"
    return [
        label,
        escape("+".join(tensor.operators)),
        shape_text(tensor.shape),
        "–" if tensor.sparsity is None else f"{tensor.sparsity:.1%}",
        tensor.method if rewritten else "–",
        f"{tensor.nbytes_before:,}",
        after,
    ]


def _print_dense(console: Console, report: Conversion) -> None:
    dense = [t for t in report.tensors if t.method == "none"]
    if not dense:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("left as it is", "operator", "shape", "zeros", "bytes", "reason"):
        right = title in ("zeros", "bytes")
        table.add_column(title, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for tensor in dense:
        row = _tensor_row(tensor, verbose=True)
        name = escape(short_name(tensor.name, 28) or f"(tensor {tensor.key})")
        table.add_row(name, *row[1:4], row[5], escape(tensor.reason or ""))
    console.print(table)


def print_verification(console: Console, result: Verification) -> None:
    """One line an output, the notes, then the verdict."""
    for output in result.outputs:
        console.print(escape(_output_line(output)))
    for note in result.notes:
        console.print(f"note: {escape(note)}")
    if result.passed:
        console.print(
            f"[bold green]verified[/bold green]: {result.promise}, bit for bit, on {result.samples} samples "
            f"({result.engine} engine); all weights equal"
        )
        return
    broken = [] if result.weights_equal else ["weights differ"]
    broken += [f"output {o.name or i} differs" for i, o in enumerate(result.outputs) if not o.equal]
    console.print(f"[bold red]NOT verified[/bold red]: {'; '.join(broken)}; promised: {result.promise}")


def _output_line(output: OutputComparison) -> str:
    name = output.name or "output"
    accuracy = ""
    if output.accuracy is not None:
        accuracy = f"; accuracy {output.accuracy[0]:.4f} → {output.accuracy[1]:.4f}"
    if output.equal:
        return f"{name}: {output.values:,} values equal{accuracy}"
    unit = "" if output.dtype.startswith("float") else " LSB"
    snr = "" if output.snr_db is None else f", SNR {output.snr_db:.1f} dB"
    return (
        f"{name}: {output.different:,} of {output.values:,} values differ, at most by {output.max_error:g}{unit}{snr}, "
        f"top-1 agreement {output.top1:.1%}{accuracy}"
    )
