"""The questions: recorded and designed trajectories, and the suite that puts them to an implementation."""
