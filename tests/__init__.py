"""The tests: a package, so that no library that ships a folder of this name stands in its place."""
