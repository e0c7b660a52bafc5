"""The back office: demandes on their way, and what each type of them reads, checks and does."""
