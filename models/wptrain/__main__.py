"""`python -m wptrain`, which `torchrun -m wptrain` starts."""

from .cli.main import main

main()
