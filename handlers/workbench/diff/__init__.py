"""What changed between two contracts, and whom it breaks."""
