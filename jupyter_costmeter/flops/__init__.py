"""FLOP counters: each module counts for one library, and knows no other."""
