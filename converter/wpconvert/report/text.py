"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console

from wpconvert.model.goal import BUNDLED
from wpconvert.report.result import (
    Conversion,
    Forecast,
    FrontPoint,
    Measurement,
    OutputComparison,
    Restored,
    TensorCoverage,
    TensorResult,
    Verification,
)
from wpconvert.report.table import Column, Kind, escape, print_items, shortened
from wpconvert.transforms.registry import FIELDS
from wpconvert.units import change, decibels, number, percent, quantity, shape_text, share

_NAME_WIDTH = 40
_NAMED = 3
"""How many tensors a line names."""
# Last parts of the names that converters give to the weights among the parts of a fused layer.
_WEIGHT_NAMES = ("conv2d", "depthwise", "matmul", "weight", "kernel")


def short_name(name: str, key: str) -> str:
    """A name that fits a column: of a fused layer's parts that of the weights, and of that the end."""
    parts = [part.removesuffix("/resource").removesuffix("/ReadVariableOp") for part in name.split(";")]
    chosen = next((part for part in parts if part.rsplit("/", 1)[-1].lower() in _WEIGHT_NAMES), parts[0])
    return shortened(chosen, _NAME_WIDTH) if chosen else f"(tensor {key})"


def print_conversion(console: Console, report: Conversion, verbose: bool = False, front: bool = False) -> None:
    """The tables of weights, the totals, the forecast (with the `front` of plans), the notes and the verdict."""
    _print_rewritten(console, report, verbose)
    _print_kept(console, report, verbose)
    saved = report.nbytes_before - report.nbytes_after
    difference = f"{quantity(abs(saved), 'byte')} {'saved' if saved >= 0 else 'added'}"
    weights = sum(t.nbytes_before for t in report.tensors), sum(t.nbytes_after for t in report.tensors)
    console.print(
        f"{report.rewritten} of {len(report.tensors)} tensors rewritten; "
        f"weights {weights[0]:,} → {weights[1]:,} bytes ({percent(weights[1], weights[0])})"
    )
    console.print(
        f"[bold]file {report.nbytes_before:,} → {report.nbytes_after:,} bytes[/bold] "
        f"({percent(report.nbytes_after, report.nbytes_before)}, {difference})"
    )
    if report.forecast is not None:
        flash = (
            report.nbytes_after - report.attached_after + report.forecast.code_nbytes,
            report.nbytes_before - report.attached_before + report.forecast.code_nbytes_dense,
        )
        print_forecast(console, report.forecast, flash, front)
    if report.measured is not None:
        print_measurement(console, report.measured)
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    if report.verification is not None and report.network is not None:
        console.print("[bold]compared with the lowered model[/bold] before rewriting:")
    if report.verification is not None:
        print_verification(console, report.verification)
    if report.network is not None:
        console.print(f"[bold]compared with the network[/bold] {escape(report.source)} in ONNX Runtime:")
        _print_network(console, report.network)
    for path in report.written:
        console.print(f"wrote {escape(path)}")


def _first_columns(title: str, verbose: bool, detailed: bool) -> list[Column[TensorResult]]:
    """Names of tensors under a title, with `detailed` operator and shape, and the share of zeros."""
    columns: list[Column[TensorResult]] = [
        (title, Kind.NAME, lambda t: f"{t.name} [{t.key}]" if verbose else short_name(t.name, t.key)),
        ("operator", Kind.WORD, lambda t: "+".join(t.operators)),
        ("shape", Kind.WORD, lambda t: shape_text(t.shape)),
        ("zeros", Kind.NUMBER, lambda t: share(t.sparsity)),
    ]
    return columns if detailed else [columns[0], columns[-1]]


def _print_rewritten(console: Console, report: Conversion, verbose: bool) -> None:
    predicted = report.forecast is not None
    rewritten = [tensor for tensor in report.tensors if tensor.method != "none"]
    columns: list[Column[TensorResult]] = [
        *_first_columns("tensor", verbose, detailed=verbose or not predicted),
        ("method", Kind.WORD, lambda t: t.method),
        ("before", Kind.NUMBER, lambda t: number(t.nbytes_before)),
        ("after", Kind.NUMBER, lambda t: number(t.nbytes_after)),
    ]
    for field in FIELDS.values():
        if field.title and any(field.name in tensor.details for tensor in report.tensors):
            columns.append((field.title, Kind.NUMBER, partial(_detail, field.name)))
    if any(tensor.details or tensor.snr_db is not None for tensor in report.tensors):
        columns.append(("weight SNR", Kind.NUMBER, _snr))
    if predicted:
        columns.append(("cycles", Kind.NUMBER, lambda t: number(t.cycles)))
        columns.append(("why", Kind.TEXT, lambda t: t.reason or ""))
    print_items(console, columns, rewritten)


def _detail(name: str, tensor: TensorResult) -> str:
    return number(tensor.details.get(name))


def _snr(tensor: TensorResult) -> str:
    """What a transform has left of the weights."""
    return decibels(tensor.snr_db) if tensor.details or tensor.snr_db is not None else "–"


def _print_kept(console: Console, report: Conversion, verbose: bool) -> None:
    """Unchanged tensors; operator and shape only when asked, to leave room for the reason."""
    columns: list[Column[TensorResult]] = [
        *_first_columns("unchanged", verbose, detailed=verbose),
        ("bytes", Kind.NUMBER, lambda t: number(t.nbytes_before)),
        ("reason", Kind.TEXT, lambda t: t.reason or ""),
    ]
    print_items(console, columns, [tensor for tensor in report.tensors if tensor.method == "none"])


def print_forecast(console: Console, forecast: Forecast, flash: tuple[int, int], front: bool) -> None:
    """What is predicted, against the dense model; with `front` also the plans to choose from.

    flash: bytes of model and code, now and of the dense model.
    """
    if front:
        columns: list[Column[FrontPoint]] = [
            ("", Kind.WORD, lambda point: "→" if point.chosen else ""),
            ("file", Kind.NUMBER, lambda point: number(point.nbytes)),
            ("flash", Kind.NUMBER, lambda point: number(point.flash_nbytes)),
            ("cycles", Kind.NUMBER, lambda point: number(point.cycles)),
            ("vs. dense", Kind.NUMBER, lambda point: f"{point.cycles / max(1, forecast.cycles_dense):.3f} ×"),
            (
                "tensors by method",
                Kind.TEXT,
                lambda point: ", ".join(f"{n} {m}" for m, n in sorted(point.methods.items())),
            ),
        ]
        print_items(console, columns, forecast.front)
    parts = [
        (f"instructions{_excluding(forecast.not_predicted)}", forecast.instructions, forecast.instructions_dense),
        (f"cycles{_excluding(forecast.not_predicted)}", forecast.cycles, forecast.cycles_dense),
        (f"bytes of code{_excluding(forecast.code_not_predicted)}", forecast.code_nbytes, forecast.code_nbytes_dense),
        (f"bytes of flash (model and code){_excluding(forecast.code_not_predicted)}", *flash),
    ]
    if forecast.arena_nbytes is not None and forecast.arena_nbytes_dense is not None:
        parts.append(("bytes of arena", forecast.arena_nbytes, forecast.arena_nbytes_dense))
    goal = "" if forecast.optimize is None else f", {forecast.optimize}"
    runs = "" if forecast.runtime == BUNDLED else f" with --runtime {forecast.runtime}"
    limit = "" if forecast.max_slowdown is None else f", at most {forecast.max_slowdown:g} × the cycles"
    console.print(
        f"predicted for {escape(forecast.target)} ({escape(forecast.core)}){runs}{goal}{limit}: {_changes(parts)}"
    )
    if flash[0] > flash[1]:
        console.print(
            f"note: the added code takes {quantity(flash[0] - flash[1], 'byte')} more than the model saves; "
            "--flash BYTES limits both together"
        )


def print_measurement(console: Console, found: Measurement) -> None:
    """What was measured, against the dense model."""
    parts = [
        ("instructions", found.instructions, found.instructions_dense),
        ("cycles, modelled", found.cycles, found.cycles_dense),
        ("bytes of flash (model and code)", found.flash_nbytes, found.flash_nbytes_dense),
        ("bytes of arena", found.arena_nbytes, found.arena_nbytes_dense),
    ]
    plans = "first plan" if found.plans == 1 else f"{found.plans} plans tried"
    console.print(
        f"[bold]measured[/bold] on {escape(found.target)}, simulated by {escape(found.simulator)}, {plans}: "
        f"{_changes(parts)}"
    )


def _changes(parts: Sequence[tuple[str, int, int]]) -> str:
    """What, now and of the dense model, as `dense → now what (change)`; parts that the dense model has none of go."""
    texts = (f"{dense:,} → {now:,} {what} ({change(now, dense)})" for what, now, dense in parts if dense)
    return "; ".join(texts)


def _excluding(left_out: Sequence[str]) -> str:
    """Names the operators and codecs that a figure leaves out."""
    return f" excluding {', '.join(map(escape, left_out))}" if left_out else ""


def print_verification(console: Console, result: Verification) -> None:
    """One line an output, what the samples exercise, the notes, then the verdict."""
    for output in result.outputs:
        console.print(escape(output_line(output)))
    if result.coverage:
        console.print(coverage_line(result.coverage))
    if result.unexercised:
        console.print(f"[bold yellow]not exercised[/bold yellow]: {escape(_unexercised_line(result))}")
    for note in result.notes:
        console.print(f"note: {escape(note)}")
    weights = ["", "; all other weights equal" if result.lossy else "; all weights equal"][bool(result.weights_equal)]
    runs = f"on {quantity(result.samples, 'sample')} ({result.engine} engine)"
    if result.passed and result.lossy:
        equal = all(output.equal for output in result.outputs)
        loss = "no difference in these samples" if equal else "see above"
        console.print(
            f"[bold yellow]lossy[/bold yellow] ({loss}); [bold green]verified[/bold green]: {result.promise}, "
            f"{runs}{weights}"
        )
        return
    if result.passed:
        console.print(f"[bold green]verified[/bold green]: {result.promise}, bit for bit, {runs}{weights}")
        return
    broken = ["weights differ"] if result.weights_equal is False else []
    if not result.lossy:
        broken += [f"output {o.name or i} differs" for i, o in enumerate(result.outputs) if not o.equal]
    broken = broken or ["outputs differ" if result.lossy else "intermediate values differ"]
    console.print(f"[bold red]FAILED[/bold red]: {escape('; '.join(broken))} (expected {result.promise})")


def _print_network(console: Console, result: Verification) -> None:
    """How a lowered model compares with its network, which it need not equal."""
    for output in result.outputs:
        console.print(escape(output_line(output)))
    for note in result.notes:
        console.print(f"note: {escape(note)}")
    if not result.lossy:
        verdict = f"[bold green]identical[/bold green]: {result.promise}"
    elif result.passed:
        verdict = f"[bold yellow]close[/bold yellow], not identical: {result.promise}"
    else:
        verdict = "[bold yellow]classes differ[/bold yellow] (see above)"
    console.print(f"{verdict}, on {quantity(result.samples, 'sample')} ({result.engine} engine)")


def coverage_line(coverage: Sequence[TensorCoverage]) -> str:
    """How much of the tensors that operators compute the samples exercise, in a line."""
    tensors = sum(tensor.exercised > 0 for tensor in coverage)
    shares = sum(tensor.exercised / tensor.channels for tensor in coverage)
    return (
        f"exercised: {tensors} of {len(coverage)} tensors, on average {percent(shares, len(coverage))} of the channels"
    )


def _unexercised_line(result: Verification) -> str:
    names = ", ".join(short_name(name, "") for name in result.unexercised[:_NAMED])
    more = len(result.unexercised) - _NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{names}{rest}: constant or clamped in all samples; provide typical inputs with --inputs"


def output_line(output: OutputComparison) -> str:
    """How one output compares, in a line."""
    name = output.name or "output"
    accuracy = ""
    if output.accuracy is not None:
        accuracy = f"; accuracy {output.accuracy[0]:.4f} → {output.accuracy[1]:.4f}"
    if output.equal:
        return f"{name}: {output.values:,} values equal{accuracy}"
    unit = "" if output.dtype.startswith("float") else " LSB"
    snr = "" if output.snr_db is None else f", SNR {decibels(output.snr_db)}"
    return (
        f"{name}: {output.different:,} of {output.values:,} values differ, by at most {output.max_error:g}{unit}{snr}, "
        f"top-1 agreement {share(output.top1)}{accuracy}"
    )


def print_restored(console: Console, done: Restored) -> None:
    """What was not done or not given back, then the files."""
    if not done.rewritten:
        console.print("the model has no rewritten operators; copied unchanged")
    for loss in done.losses:
        console.print(f"note: {escape(loss)}")
    written = f"wrote {escape(', '.join(map(str, done.files)))}, " if done.files else ""
    console.print(f"{written}{done.nbytes_before:,} → {done.nbytes_after:,} bytes")
