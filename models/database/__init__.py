"""The database below the tables: engine, transactions, failures, prepared statements, bulk writes."""
