"""The questions, and the suite that puts them to an implementation."""
