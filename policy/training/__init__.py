"""Training the reasoning model: supervised warm-up, phased RL, preference optimisation."""
