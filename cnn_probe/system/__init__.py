"""What belongs to the terminal, the file system and the process."""
