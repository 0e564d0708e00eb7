"""The shared kernel: settings, clock, event and table contracts, bus, lake access, runtime and the command line."""
