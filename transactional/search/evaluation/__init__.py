"""How good the ranking is, judged by what people clicked."""
