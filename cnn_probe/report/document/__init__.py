"""What a page holds: plain values, arrays and pictures, made of answers, comparisons and studies."""
