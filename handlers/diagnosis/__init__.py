"""Whether an installation is fit to serve: one line a check, each bounded in time, nothing secret told.

Here are the checks of `cynod doctor` and `cynod serve --check`. They may import whatever a server is made of;
no request passes through here, and nothing here writes to a database.
"""
