"""How fast the critics are: ``python -m compressor.bench`` (docs/speed.md)."""
