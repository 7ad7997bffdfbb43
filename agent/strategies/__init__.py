"""The ways to find context. To add one: a module here, named in `app.service`'s strategy table."""
