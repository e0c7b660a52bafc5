"""`make bench`: this server beside what a user would pick instead, and beside the limits."""
