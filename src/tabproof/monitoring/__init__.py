"""What becomes of a served model: its log is read, compared with the training rows, and watched."""
