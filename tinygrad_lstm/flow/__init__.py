"""Numbers along the arrows: what a backward pass sends where."""
