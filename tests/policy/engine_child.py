"""A process of its own that uses the embedded engine: prints the engine's number and address."""

import json
import sys

from policy import ReasonerConfig, engine

config = ReasonerConfig(**json.loads(sys.argv[1]))
sys.stdout.write(engine.start(config).url)
