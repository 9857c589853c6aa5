"""What every training can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..settings import Settings


class Optimiser(Settings):
    """AdamW, or SGD with Nesterov's momentum; `learning_rate` is the one that the schedule starts from."""

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 4e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Schedule(Settings):
    """How the learning rate goes on, in parts of the training's steps.

    It rises linearly for the part `warm_up`. Then it falls to 0 as a cosine, is multiplied by `factor` at each of the
    `milestones` (step), or stays (constant).
    """

    name: Literal["cosine", "step", "constant"] = "cosine"
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.0
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class LoopSettings(Settings):
    """One training.

    `batch_size` counts the samples of one step, of all processes together. `ema`: decay of an exponential moving
    average of the weights, which is what is measured and kept; 0: none. `distil`: the teacher's share of the loss.
    `precision`: of the network's operators in training. `checkpoint_steps`: steps of an epoch between two checkpoints,
    besides the one after each epoch; 0: none. `threads`: of the CPU, on which the last bits of results depend.
    """

    epochs: Annotated[int, Field(ge=1)] = 45
    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 128
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    distil: Annotated[float, Field(ge=0, le=1)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint_steps: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
