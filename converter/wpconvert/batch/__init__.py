"""Many models at once: a manifest, a journal of what is done, and Dask to spread the work."""
