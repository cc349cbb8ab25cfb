"""The same features and lists when a shop outgrows one process: the index of notebook 24.

- `copies`: a shop as partitioned Parquet, its households copied so that it grows;
- `reference`: the kit's own functions on pandas, in one process;
- `sql`: the same tables by DuckDB, which uses all cores and spills to disk;
- `cluster`: the reference's functions on parts of the users, by Dask, on this machine or on many;
- `data_parallel`: a model trained by several processes, any of which may die;
- `partitions`: lists for everybody, part by part, each written once.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
