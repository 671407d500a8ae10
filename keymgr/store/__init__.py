"""What is remembered: tables, transactions, audit, change feed and migrations."""
