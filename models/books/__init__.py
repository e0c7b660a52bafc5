"""The whole journal at once: proved, exported, imported; the whole audit too; and the demo's."""
