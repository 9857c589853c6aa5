"""What `inspect` tells, as text."""

from __future__ import annotations

from rich.console import Console

from wpconvert.codecs import CODECS
from wpconvert.report.inspection import Inspection, TensorInfo, WeightInfo
from wpconvert.report.table import Kind, escape, print_table
from wpconvert.report.text import short_name
from wpconvert.units import number, quantity, shape_text, share


def print_inspection(console: Console, result: Inspection) -> None:
    """The whole report as text."""
    console.print(f"[bold]{escape(result.path)}[/bold]: {result.nbytes:,} bytes, {result.subgraphs} subgraph(s)")
    for title, ends in (("input", result.inputs), ("output", result.outputs)):
        for end in ends:
            console.print(f"{title}: {_end(end)}")
    console.print("operators: " + escape(", ".join(f"{count} {name}" for name, count in result.operators.items())))
    if result.signatures:
        console.print(f"signatures: {escape(', '.join(result.signatures))}")
    if result.metadata:
        console.print(f"metadata: {escape(', '.join(result.metadata))}")
    if result.attached_nbytes:
        files = ", ".join(f"{file.name} ({file.nbytes:,} bytes)" for file in result.attached) or "no files"
        console.print(f"data after the model: {result.attached_nbytes:,} bytes; {escape(files)}")
    for note in result.notes:
        console.print(f"irregular: {escape(note)}")
    _print_provenance(console, result)
    _print_shared(console, result)
    _print_weights(console, result)


def _end(tensor: TensorInfo) -> str:
    return escape(f"{tensor.name or '(unnamed)'} {tensor.dtype} {shape_text(tensor.shape)}")


def _print_provenance(console: Console, result: Inspection) -> None:
    stored = [weight for weight in result.weights if weight.stored_as is not None]
    if not stored:
        console.print("rewritten tensors: none")
        return
    by = result.provenance.tool if result.provenance else "an unknown tool"
    stripped = ", stripped" if result.provenance is not None and result.provenance.stripped else ""
    methods = ", ".join(sorted({weight.stored_as for weight in stored if weight.stored_as}))
    console.print(f"rewritten tensors: {len(stored)} by {escape(by)} ({methods}{stripped})")


def _print_shared(console: Console, result: Inspection) -> None:
    for shared in result.shared:
        console.print(
            f"{shared.kind}: {shared.nbytes:,} bytes, for {quantity(len(shared.tensors), 'tensor')}; {shared.text}"
        )


def _smallest(weight: WeightInfo) -> tuple[str, str]:
    """Fewest bytes of a weight, and the method that needs them."""
    if not weight.methods:
        return "–", ""
    name = min(weight.methods, key=lambda method: weight.methods[method])
    return f"{weight.methods[name]:,}", name


def _print_weights(console: Console, result: Inspection) -> None:
    """The weights and the method that needs fewest bytes."""
    formed = any(weight.stored_as for weight in result.weights)
    columns = [
        ("weights", Kind.NAME),
        ("operator", Kind.NAME),
        ("shape", Kind.WORD),
        ("zeros", Kind.NUMBER),
        ("bits/w", Kind.NUMBER),
        ("bound", Kind.NUMBER),
        ("now", Kind.NUMBER),
        *([("as", Kind.WORD)] if formed else []),
        ("smallest", Kind.NUMBER),
        ("by", Kind.WORD),
    ]
    rows = [
        [
            short_name(weight.name, weight.key),
            "+".join(weight.operators),
            shape_text(weight.shape),
            share(weight.sparsity),
            "–" if weight.entropy is None else f"{weight.entropy:.2f}",
            number(weight.bound),
            number(weight.nbytes),
            *([weight.stored_as or ""] if formed else []),
            *_smallest(weight),
        ]
        for weight in result.weights
    ]
    methods = [name for name in CODECS if any(name in weight.methods for weight in result.weights)]
    bound = sum(w.nbytes if w.bound is None else w.bound for w in result.weights)
    best = sum(min(w.nbytes, *w.methods.values()) if w.methods else w.nbytes for w in result.weights)
    total = {"weights": "total", "bound": number(bound), "smallest": number(best)}
    total["now"] = number(sum(weight.nbytes for weight in result.weights))
    print_table(console, columns, rows, [[total.get(title, "") for title, _ in columns]])
    console.print(
        "bound: order-0 entropy of the weights in bytes; smallest: the smallest method, without tables and options"
    )
    sizes = ", ".join(
        f"{name} {sum(min(w.nbytes, w.methods.get(name, w.nbytes)) for w in result.weights):,}" for name in methods
    )
    console.print(f"bytes with one method for all tensors that it makes smaller: {sizes}")
    for weight in result.weights:
        if weight.obstacle:
            console.print(f"{escape(short_name(weight.name, weight.key))}: {escape(weight.obstacle)}")
