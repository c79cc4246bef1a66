"""What belongs to the process and its machine: files, interrupts, warnings, BLAS."""
