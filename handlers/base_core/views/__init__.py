"""The back office on the wire: values of the core to fields of base-core.yaml, and its bodies back."""
