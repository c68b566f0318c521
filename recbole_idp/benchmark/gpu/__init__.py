"""What a training reaches on an accelerator: its rate, its share of the peak, its memory, and bfloat16's quality."""
