"""THE WORKBENCH: what serves who edits the contract, and who develops against it, without a database.
Imports the edge; no part of the edge imports it."""
