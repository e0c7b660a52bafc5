"""From the core's values to the wire and back, one file per tag: render_* of its answers, read_* of its
bodies."""
