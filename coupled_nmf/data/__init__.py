"""What is fitted: blocks of any kind of array over the same samples, checked, and read by rows."""
