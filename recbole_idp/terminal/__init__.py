"""What a terminal shows while the work goes on."""
