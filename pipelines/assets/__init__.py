"""The asset graph, thin: each asset calls one function that a notebook or a test can call too."""
