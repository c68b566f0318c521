"""What people see on a terminal: printable text and progress bars."""
