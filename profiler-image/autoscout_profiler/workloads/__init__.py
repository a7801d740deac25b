"""Programs to measure that run anywhere: examples of the frame contract, and the demo."""
