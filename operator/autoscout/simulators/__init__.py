"""What a configuration would cost, without running it: analytical models, regressions, their ensemble."""
