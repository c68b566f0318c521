"""RecTools' SASRecModel and UniSRecModel beside this package's, on the same training events."""
