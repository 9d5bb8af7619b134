"""The data of the benchmarks: fetched from public packages and repositories, checked, made into manifests."""
