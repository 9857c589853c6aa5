"""Arrows between the rooms of the package point one way: down the rows of tools/layout.py."""

from __future__ import annotations

from tools.layout import LAYERS, arrows, modules, room_of

ROW = {room: number for number, row in enumerate(LAYERS) for room in row}


def test_every_room_has_its_row() -> None:
    rooms = {room_of(module) for module, _ in modules()}
    assert rooms - {"formats"} <= ROW.keys()


def test_a_room_imports_rooms_below_it_and_no_others() -> None:
    wrong = [
        line
        for room, others in arrows().items()
        for other, lines in others.items()
        if room != "formats" and ROW[other] <= ROW[room]
        for line in lines
    ]
    assert not wrong


def test_rooms_below_the_formats_know_no_format() -> None:
    found = arrows()
    below = [room for room, number in ROW.items() if number > ROW["formats.protocol"]]
    assert not [
        line for room in below for other, lines in found.get(room, {}).items() if "formats" in other for line in lines
    ]
