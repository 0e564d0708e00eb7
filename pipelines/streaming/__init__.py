"""Consumers of the bus: the lake writer, which fills bronze, and the feature writer, which keeps online features fresh."""
