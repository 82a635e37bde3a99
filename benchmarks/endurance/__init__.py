"""What the service must survive, proven against a real process over real HTTP."""
