"""What the command line does with one network after the other, and what it leaves in a folder."""
