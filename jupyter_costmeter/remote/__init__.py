"""What cells have others do: tasks on a Dask cluster's workers. Nothing here imports dask before the user has."""
