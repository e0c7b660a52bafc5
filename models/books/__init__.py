"""The whole journal at once: proved, exported, imported; and the demo's."""
