"""A release as a web site of plain files, which any host of files serves: pages, data that the visitor's browser searches, and the tables.

`export_site` writes it. The pages are those of `explorer`, from its templates and its content functions; what runs in the browser is built
from `site_app/` into `app/`.
"""
