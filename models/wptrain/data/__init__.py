"""Dataset loaders, one file per dataset; each has `load() -> Dataset` with splits that never change."""
