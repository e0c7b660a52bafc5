"""What tests share: a world to act in, servers, clients, what a machine has."""
