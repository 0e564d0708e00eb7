"""``lakefront demo``: starts everything, fills it, runs the loop and reports what happened at each station.

An entry point: it may start and read any part of Lakefront, and none of them knows of it.
"""
