"""From what a host holds to a stack program that takes it over."""
