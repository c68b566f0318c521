"""The benchmark ``scale``: how time and memory grow with events and items."""
