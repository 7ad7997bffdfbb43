"""Critics: models that say of every token how likely it is to matter."""
