"""A server that moves nothing: it answers from the contract's examples."""
