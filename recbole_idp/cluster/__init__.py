"""Work for the machines of a Ray cluster."""
