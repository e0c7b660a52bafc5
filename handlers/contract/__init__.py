"""The contract, read: from YAML to values, rules and compiled checks. Knows no HTTP, no settings, no
handler."""
