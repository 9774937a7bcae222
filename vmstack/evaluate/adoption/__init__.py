"""States of other tools: what they say exists, as claims."""
