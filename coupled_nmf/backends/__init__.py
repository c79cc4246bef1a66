"""Where the work runs: the CPU or an NVIDIA GPU, by one contract."""
