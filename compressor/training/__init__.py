"""How the committed critic was trained and measured."""
