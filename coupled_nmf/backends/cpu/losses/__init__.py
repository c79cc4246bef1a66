"""The losses on the CPU: what the loop alternates on."""
