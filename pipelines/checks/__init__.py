"""What must hold of the lake, as plain functions; the asset checks and the command line call them."""
