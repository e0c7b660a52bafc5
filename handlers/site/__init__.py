"""The partner's site: the page, the console, the collection, the clients, served or as a folder of files."""
