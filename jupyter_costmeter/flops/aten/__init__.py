"""What torch's operators do (``formulas``), and how they are seen running (``kernels``, ``compiled``, ``replays``)."""
