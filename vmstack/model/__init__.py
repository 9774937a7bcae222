"""The vocabulary: what a stack wants, what a host holds, and what a plan does. Frozen data and no I/O."""
