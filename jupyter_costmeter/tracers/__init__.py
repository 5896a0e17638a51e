"""What was launched between two marks, exactly, but known only some time later."""
