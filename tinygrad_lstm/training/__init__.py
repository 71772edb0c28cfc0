"""Nets that learn: the sequence model, the loop, what is recorded on the way, and the questions one asks afterwards."""
