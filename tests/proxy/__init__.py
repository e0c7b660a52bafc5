"""The proxy in front, as docs/nginx.conf sets it up, and the addresses that it tells."""
