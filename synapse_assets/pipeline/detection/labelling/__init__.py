"""People look through boxes of a volume: which boxes, what they said of them, what a detector learns from that, and what it is worth."""
