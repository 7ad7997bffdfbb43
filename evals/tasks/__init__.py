"""The benchmarks: one small file each, with its loader, its metric and its source."""
